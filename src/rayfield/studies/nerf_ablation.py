"""What each part of NeRF is worth: the whole of it, and each part left out, after equal training.

Mildenhall et al. 2020 (NeRF), arXiv:2003.08934, Table 2: means over the Blender scenes after as
many iterations, with as many queries a ray. So it is here: preset "laptop" on one scene, every
variant trained for the same steps of as many rays, each asked as often, and views rendered so.
How often is in the paper's proportion to the size of the photos: 256 queries for 800 pixels, 32
for 100. With many more, equal spacing misses little that such photos show.

What colour owes to the direction of view shows where things are glossy; the paper's scenes are
mostly that, the demo scene in part. Where glossy pixels are known (`glossy`), that variant is
judged on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from rayfield.core import drawing
from rayfield.core.drawing import BLUE, FAINT, INK, ORANGE
from rayfield.data.scene import Frame, Scene
from rayfield.methods import nerf
from rayfield.studies.glossy import glossy_psnr, is_demo
from rayfield.studies.sphere import directions, spread
from rayfield.studies.study import FIGURE, Findings, Report, Verdict, part
from rayfield.studies.views import (
    Score,
    field,
    held_out_photos,
    learned,
    mean,
    photo,
    score,
    sized,
    subset,
)
from rayfield.train.log import read_log

COMPLETE, VIEWLESS = "complete", "no view dependence"
FEWER = 0.25  # of the photos
CROP = 3  # the crop shown is one side in so many


@dataclass(frozen=True)
class Size:
    """Steps of training of each variant; pixels of the photos' longer side; coarse and fine
    samples, which are the paper's 64 and 128 for 800 pixels; test views."""

    steps: int = 3000
    side: int = 100
    samples: tuple[int, int] = (8, 16)
    views: int = 8


FULL = Size(steps=20_000, views=25)


class Variant(NamedTuple):
    """A part left out: how, the share of photos it learns from, and what the paper measured."""

    change: Callable[[nerf.Config], nerf.Config]
    photos: float
    published: float


VARIANTS: dict[str, Variant] = {
    COMPLETE: Variant(lambda cfg: cfg, 1.0, 31.01),
    "no hierarchical sampling": Variant(
        lambda cfg: replace(
            cfg, coarse_samples=2 * cfg.coarse_samples + cfg.fine_samples, fine_samples=0
        ),
        1.0,
        30.06,
    ),
    "no positional encoding": Variant(
        lambda cfg: replace(cfg, bands=0, direction_bands=0), 1.0, 28.77
    ),
    "a quarter of the photos": Variant(lambda cfg: cfg, FEWER, 27.78),
    VIEWLESS: Variant(lambda cfg: replace(cfg, views=False), 1.0, 27.66),
}


def run(folder: Path, *, full: bool, report: Report, data: Path | None) -> Findings:
    """See the module; `data` is a folder of posed photos."""
    return examine(folder, FULL if full else Size(), report, data=data)


def examine(
    folder: Path,
    size: Size,
    report: Report,
    *,
    data: Path | None = None,
    base: nerf.Config | None = None,
) -> Findings:
    """The study at a given size; `base` in place of the method's default configuration."""
    coarse, fine = size.samples
    base = replace(base or nerf.Config(), coarse_samples=coarse, fine_samples=fine)
    scene = sized(data, size.side)
    tests = held_out_photos(scene)
    shown = tests[:: -(-len(tests) // size.views)]
    found: dict[str, list[Score]] = {}
    numbers: dict[str, Any] = {"steps": size.steps, "scene": scene.root.name, "variants": {}}
    for index, (name, variant) in enumerate(VARIANTS.items()):
        start, share = index / len(VARIANTS), 1 / len(VARIANTS)
        place = folder / name.replace(" ", "-")
        photos = thinned(scene, variant.photos)
        model, cfg = learned(
            place, nerf, variant.change(base), scene=photos, steps=size.steps,
            report=part(report, start, start + 0.85 * share),
        )  # fmt: skip
        render = field(nerf, model, cfg, scene=photos).render
        found[name] = []
        for done, frame in enumerate(shown):
            report(start + share * (0.85 + 0.15 * done / len(shown)), f"{name}: comparing")
            found[name].append(score(render, scene, frame))
        numbers["variants"][name] = {
            "psnr": mean([s.psnr for s in found[name]]),
            "ssim": mean([s.ssim for s in found[name]]),
            "glossy_psnr": glossy_psnr(scene, found[name]) if is_demo(scene) else None,
            "queries": asked(cfg),
            "seconds": read_log(place / "log.jsonl")[-1]["seconds"],
            "photos": len(photos.split("train")),
            "published_psnr": variant.published,
        }
    numbers["test_views"] = len(shown)
    _draw(folder / FIGURE, scene, shown, found=found, numbers=numbers)
    return Findings(numbers, judge(numbers))


def thinned(scene: Scene, share: float) -> Scene:
    """The scene with that share of its training photos, spread all around."""
    frames = scene.split("train")
    chosen = spread(directions(scene, frames), max(1, round(share * len(frames))))
    return scene if share == 1 else subset(scene, {frames[i].name for i in chosen})


def asked(cfg: nerf.Config) -> int:
    """Queries a ray of all networks."""
    return (2 if cfg.fine_samples else 1) * cfg.coarse_samples + cfg.fine_samples


def lost(variants: dict[str, Any], name: str) -> float:
    """dB lost without a part: over all pixels, of view dependence over glossy ones if known."""
    on = "psnr" if name != VIEWLESS or variants[name]["glossy_psnr"] is None else "glossy_psnr"
    return float(variants[COMPLETE][on] - variants[name][on])


def judge(numbers: dict[str, Any]) -> Verdict:
    """The complete method is the best; gaps beside the published ones."""
    variants = numbers["variants"]
    complete, viewless = variants[COMPLETE], variants[VIEWLESS]
    gaps = {name: lost(variants, name) for name in variants if name != COMPLETE}
    told = ", ".join(f"{name} {gap:+.2f}" for name, gap in gaps.items())
    if viewless["glossy_psnr"] is not None:
        everywhere = complete["psnr"] - viewless["psnr"]
        told += f" on glossy pixels ({everywhere:+.2f} on all)"
    published = {
        name: complete["published_psnr"] - variants[name]["published_psnr"] for name in gaps
    }
    claimed = ", ".join(f"{name} {gap:+.2f}" for name, gap in published.items())
    return Verdict(
        f"every part of NeRF counts (Table 2, dB lost without it: {claimed})",
        f"complete {complete['psnr']:.2f} dB after {numbers['steps']:,} steps of "
        f"{complete['queries']} queries a ray; dB lost without: {told}",
        all(gap > 0 for gap in gaps.values()),
    )


def widest_gap(
    truth: Float[Tensor, "H W 3"], pictures: Sequence[Float[Tensor, "H W 3"]]
) -> tuple[int, int, int]:
    """Row, column and side of the square where the first picture beats the others most."""
    errors = [(p - truth).square().mean(dim=-1) for p in pictures]
    side = max(min(truth.shape[:2]) // CROP, 1)
    gap = torch.stack([e - errors[0] for e in errors[1:]]).mean(dim=0)
    windows = avg_pool2d(gap[None], side, stride=1)[0]
    row, column = divmod(int(windows.argmax()), windows.shape[1])
    return row, column, side


def _draw(
    path: Path,
    scene: Scene,
    frames: Sequence[Frame],
    *,
    found: dict[str, list[Score]],
    numbers: Any,
) -> None:
    chosen = len(frames) // 2
    truth = photo(scene, frames[chosen])
    pictures = [scores[chosen].picture for scores in found.values()]
    row, column, side = widest_gap(truth, pictures)
    height, width = truth.shape[:2]
    cell = 1.85
    with drawing.style():
        below, above = drawing.FOOT + 0.5, drawing.HEAD + 0.25  # captions and titles
        tall = below + above + cell * (height / width + 1)
        figure = drawing.new_figure(6 * cell, tall)
        grid = figure.subplots(2, 6, height_ratios=(height / width, 1))
        for axes, picture in zip(grid.T, [truth, *pictures], strict=True):
            drawing.show(axes[0], picture.numpy())
            box = [column, column + side, column + side, column, column]
            rows = [row, row, row + side, row + side, row]
            axes[0].plot(box, rows, color=ORANGE, lw=1)
            crop = picture[row : row + side, column : column + side]
            axes[1].imshow(crop.numpy(), interpolation="nearest")
            axes[1].set_axis_off()
        grid[0, 0].set_title("photo not learned from", fontsize=9, color=BLUE)
        for axes, (name, values) in zip(grid[:, 1:].T, numbers["variants"].items(), strict=True):
            axes[0].set_title(name, fontsize=9)
            for line, (text, ink) in enumerate(_caption(name, values, numbers["variants"])):
                axes[1].text(
                    0.5, -0.1 - 0.11 * line, text, ha="center", fontsize=8.5, color=ink,
                    transform=axes[1].transAxes,
                )  # fmt: skip
        drawing.headline(
            figure,
            "What each part of NeRF is worth",
            below=f"one view after {numbers['steps']:,} steps of training each, with and without; "
            "below it the part where they differ most, and means over "
            f"{numbers['test_views']} views",
            remark=f"{numbers['scene']}, {width} x {height} pixels, preset laptop but for "
            f"{numbers['variants'][COMPLETE]['queries']} queries a ray throughout; in brackets the "
            "paper's means over the Blender scenes at convergence",
        )
        figure.subplots_adjust(0.01, below / tall, 0.99, 1 - above / tall, 0.03, 0.03)
    drawing.save(figure, path)


def _caption(name: str, values: dict[str, Any], variants: dict[str, Any]) -> list[tuple[str, str]]:
    """The lines below a variant's pictures, and their inks."""
    complete = variants[COMPLETE]
    head = f"{values['psnr']:.2f} dB, SSIM {values['ssim']:.3f}"
    if name == COMPLETE:
        return [(head, INK), (f"({values['published_psnr']:.2f} dB)", FAINT)]
    published = values["published_psnr"] - complete["published_psnr"]
    where = "on glossy: " if name == VIEWLESS and values["glossy_psnr"] is not None else ""
    return [(head, INK), (f"{where}{-lost(variants, name):+.2f} dB ({published:+.2f} dB)", FAINT)]
