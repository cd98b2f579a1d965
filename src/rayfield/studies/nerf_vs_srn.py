"""NeRF against the best method before it: same photos, same seconds of training, same measure.

Mildenhall et al. 2020 (NeRF), arXiv:2003.08934, Table 1: 31.01 dB and SSIM 0.947 on its synthetic
scenes, where Scene Representation Networks (Sitzmann et al. 2019, arXiv:1906.01618) reach 22.26
dB and 0.846. Here both learn from the photos that come with the package, and from the user's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import torch
from jaxtyping import Float, UInt8

from rayfield.core import drawing
from rayfield.core.drawing import BLUE, FAINT, INK, ORANGE
from rayfield.data.scene import Frame, Scene
from rayfield.methods import nerf, srn
from rayfield.studies.study import FIGURE, Findings, Report, Verdict, part
from rayfield.studies.views import Score, backdrop, learned, mean, photo, score, sized

PUBLISHED = {"NeRF": (31.01, 0.947), "SRN": (22.26, 0.846)}  # NeRF Table 1, synthetic scenes
METHODS: dict[str, Any] = {"NeRF": nerf, "SRN": srn}
TRAINING = 0.85  # part of the study's time, about


@dataclass(frozen=True)
class Size:
    """Seconds of training of all fields together, the longest side of photos, views compared."""

    seconds: float = 420.0
    side: int = 100
    views: int = 16
    paper: bool = False  # presets


FULL = Size(seconds=8 * 3600.0, side=400, views=200, paper=True)


class Trained(NamedTuple):
    """How one method shows the test photos of one scene."""

    scene: Scene
    method: str
    parameters: int
    scores: list[Score]

    @property
    def psnr(self) -> float:
        """The mean over views, dB."""
        return mean([s.psnr for s in self.scores])

    @property
    def ssim(self) -> float:
        """The mean over views."""
        return mean([s.ssim for s in self.scores])


def run(folder: Path, *, full: bool, report: Report, data: Path | None) -> Findings:
    """See the module; `data` is a folder of posed photos, tried beside those of the package."""
    return examine(folder, FULL if full else Size(), report, data=data)


def examine(folder: Path, size: Size, report: Report, *, data: Path | None = None) -> Findings:
    """The study at a given size."""
    paths = [None] if data is None else [None, data]
    scenes = [sized(path, size.side) for path in paths]
    trials = [(scene, name) for scene in scenes for name in METHODS]
    found = []
    for index, (scene, name) in enumerate(trials):
        share = part(report, index / len(trials), (index + 1) / len(trials))
        seconds = size.seconds / len(trials)
        place = folder / f"{scene.root.name}-{name.lower()}"
        found.append(_tried(place, scene, name, size=size, seconds=seconds, report=share))
    numbers = {
        "seconds_each": size.seconds / len(trials),
        "preset": "paper" if size.paper else "laptop",
        "scenes": [_row(of_scene) for of_scene in _by_scene(found)],
        "published": PUBLISHED,
    }
    _draw(folder / FIGURE, _by_scene(found), numbers)
    return Findings(numbers, judge(numbers))


def judge(numbers: dict[str, Any]) -> Verdict:
    """NeRF is better in both measures on every scene."""
    parts, holds = [], True
    for row in numbers["scenes"]:
        ours, other = row["NeRF"], row["SRN"]
        parts.append(
            f"{row['scene']}: {ours['psnr']:.2f} dB and SSIM {ours['ssim']:.3f} against "
            f"{other['psnr']:.2f} and {other['ssim']:.3f}"
        )
        holds &= ours["psnr"] > other["psnr"] and ours["ssim"] > other["ssim"]
    after = f" after {numbers['seconds_each']:.0f} s of training each"
    return Verdict(
        "NeRF is better than SRN: 31.01 dB and SSIM 0.947 against 22.26 and 0.846 on synthetic "
        "scenes (NeRF Table 1)",
        "; ".join(parts) + after,
        holds,
    )


def _tried(
    folder: Path, scene: Scene, name: str, *, size: Size, seconds: float, report: Report
) -> Trained:
    method = METHODS[name]
    preset = method.PRESETS["paper" if size.paper else "laptop"]
    model, cfg = learned(
        folder, method, preset, scene=scene, seconds=seconds, report=part(report, 0, TRAINING)
    )
    background = torch.full((3,), backdrop(scene))
    frames, scores = scene.split("test"), []
    chosen = frames[:: max(1, len(frames) // size.views)]
    for index, frame in enumerate(chosen):
        scores.append(
            score(lambda r: method.render(model, r, cfg, background=background), scene, frame)
        )
        done = TRAINING + (1 - TRAINING) * (index + 1) / len(chosen)
        report(done, f"{folder.name}: view {index + 1} of {len(chosen)}")
    return Trained(scene, name, sum(p.numel() for p in model.parameters()), scores)


def _by_scene(found: Sequence[Trained]) -> list[Sequence[Trained]]:
    return [found[i : i + len(METHODS)] for i in range(0, len(found), len(METHODS))]


def _row(of_scene: Sequence[Trained]) -> dict[str, Any]:
    scene = of_scene[0].scene
    camera = scene.frames[0].camera
    return {
        "scene": scene.root.name,
        "size": [camera.width, camera.height],
        "photos": scene.traits.images,
        **{
            t.method: {
                "psnr": t.psnr,
                "ssim": t.ssim,
                "parameters": t.parameters,
                "views": [{"name": s.name, "psnr": s.psnr, "ssim": s.ssim} for s in t.scores],
            }
            for t in of_scene
        },
    }


def _draw(path: Path, by_scene: list[Sequence[Trained]], numbers: dict[str, Any]) -> None:
    rows = [(of_scene, index) for of_scene in by_scene for index in _shown(of_scene)]
    with drawing.style():
        figure = drawing.new_figure(11.0, 1.4 + 2.25 * len(rows) + 0.34 * len(by_scene))
        ratios = [*[1.0] * len(rows), 0.1 + 0.16 * (len(by_scene) + 2)]
        grid = figure.add_gridspec(len(rows) + 1, 5, height_ratios=ratios)
        for line, (of_scene, index) in enumerate(rows):
            _draw_view([figure.add_subplot(grid[line, i]) for i in range(5)], of_scene, index)
        _draw_table(figure.add_subplot(grid[-1, :]), numbers)
        drawing.headline(
            figure,
            "One surface point a ray is too little: NeRF against Scene Representation Networks",
            below="test views, which neither has seen: the photo, what each shows, and where it "
            "errs (dark: nowhere)",
            remark=f"{numbers['preset']} presets, {numbers['seconds_each']:.0f} s of training "
            "each; PSNR over all pixels, SSIM Gaussian 11x11",
        )
        figure.tight_layout(rect=drawing.between(figure))
    drawing.save(figure, path)


def _shown(of_scene: Sequence[Trained]) -> list[int]:
    """Two views of a scene: where SRN is at its median, and its worst."""
    order = np.argsort([s.psnr for s in of_scene[1].scores])
    return sorted({int(order[len(order) // 2]), int(order[0])})


def _draw_view(row: Sequence[Any], of_scene: Sequence[Trained], index: int) -> None:
    scene = of_scene[0].scene
    name = of_scene[0].scores[index].name
    truth = photo(scene, _frame(scene, name)).numpy()
    drawing.show(row[0], drawing.bytes_of(truth))
    row[0].set_title(f"photo {name}", fontsize=9, loc="left", color=FAINT)
    for place, trained in enumerate(of_scene):
        one, colour = trained.scores[index], (BLUE, ORANGE)[place]
        picture = one.picture.numpy()
        drawing.show(row[1 + place], drawing.bytes_of(picture))
        title = f"{trained.method}: {one.psnr:.1f} dB, SSIM {one.ssim:.3f}"
        row[1 + place].set_title(title, fontsize=9, loc="left", color=colour)
        drawing.show(row[3 + place], _error(picture, truth))
        row[3 + place].set_title(f"error of {trained.method}", fontsize=9, loc="left", color=colour)


def _frame(scene: Scene, name: str) -> Frame:
    return next(frame for frame in scene.frames if frame.name == name)


def _error(
    picture: Float[np.ndarray, "H W 3"], truth: Float[np.ndarray, "H W 3"]
) -> UInt8[np.ndarray, "H W 3"]:
    """The mean absolute error of each pixel, from black (0) to light (0.3 and more)."""
    error = np.abs(picture - truth).mean(-1) / 0.3
    return drawing.bytes_of(mpl.colormaps["magma"](error.clip(0, 1))[..., :3])


def _draw_table(axes: Any, numbers: dict[str, Any]) -> None:
    """Means over all test views, and the published ones."""
    lines = [["", "NeRF", "", "SRN", ""]]
    for row in numbers["scenes"]:
        width, height = row["size"]
        cells = [f"{row['scene']}, {row['photos']} photos of {width}x{height}"]
        for name in METHODS:
            cells += [f"{row[name]['psnr']:.2f} dB", f"SSIM {row[name]['ssim']:.3f}"]
        lines.append(cells)
    published = [x for p, s in PUBLISHED.values() for x in (f"{p} dB", f"SSIM {s:.3f}")]
    lines.append(["published (8 synthetic scenes, 800x800, days on a GPU)", *published])
    axes.set_axis_off()
    for line, cells in enumerate(lines):
        y = 1 - (line + 0.5) / len(lines)
        for x, text in zip((0.0, 0.48, 0.58, 0.74, 0.84), cells, strict=True):
            colour = FAINT if line == len(lines) - 1 else INK
            weight = "bold" if line == 0 else "normal"
            axes.text(
                x, y, text, transform=axes.transAxes, color=colour, weight=weight, va="center"
            )
