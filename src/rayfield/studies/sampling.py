"""Where to sample a ray: few places evenly, many evenly, or coarsely and then where it matters.

Mildenhall et al. 2020 (NeRF), arXiv:2003.08934, Sec. 5.2 and Table 2, row 4: places drawn where a
coarse network found weight need fewer queries for the same picture. Shown on one trained pair of
networks; the reference is the fine one at very many equal distances. Nc coarse and Nf fine places
cost 2 Nc + Nf queries a ray, for the fine network is asked at all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rayfield.core import drawing
from rayfield.core.check import DataError
from rayfield.core.drawing import BLUE, FAINT, INK, ORANGE, dress
from rayfield.core.types import Rays
from rayfield.data.photo import view_image
from rayfield.data.pixels import view_rays
from rayfield.data.scene import Frame, Scene
from rayfield.methods import nerf
from rayfield.render import samplers
from rayfield.studies.strategies import (
    STRATEGIES,
    Trained,
    hierarchical,
    render,
    split,
    trained,
    uniform,
)
from rayfield.studies.study import FIGURE, Findings, Report, Verdict, part
from rayfield.studies.views import backdrop, held_out_photos, learned, sized

WORTH = 64  # queries from which on coarse + fine must win
TITLE = "Looking again where a coarse look found something {} queries"


@dataclass(frozen=True)
class Size:
    """Steps of training; pixels of the photos' longer side; rays compared; queries a ray of each
    strategy, of the pictures (few, many) and of the reference."""

    steps: int = 2000
    side: int = 100
    rays: int = 800
    queries: tuple[int, ...] = (16, 32, 64, 96, 128, 192, 256, 384)
    shown: tuple[int, int] = (64, 384)
    reference: int = 2048


FULL = Size(steps=20_000, rays=8000, reference=4096)


def run(folder: Path, *, full: bool, report: Report, data: Path | None) -> Findings:
    """See the module; `data` is a folder of posed photos of a cut-out subject."""
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
    scene = sized(data, size.side)
    if not scene.traits.bounded:
        what = "has no cut-out subject, so that its rays have no end"
        raise DataError(scene.root, what, "give photos with a transparent background")
    rays = subject_rays(scene, size.rays)
    model, cfg = learned(
        folder / "field", nerf, base or nerf.Config(), scene=scene, steps=size.steps,
        report=part(report, 0, 0.6),
    )  # fmt: skip
    field = trained(model, cfg, backdrop(scene))
    report(0.6, "reference")
    truth = render(uniform, field, rays, queries=size.reference)
    errors: dict[str, list[float]] = {name: [] for name in STRATEGIES}
    for index, n in enumerate(size.queries):
        report(0.7 + 0.15 * index / len(size.queries), f"{n} queries a ray")
        for name, strategy in STRATEGIES.items():
            found = render(strategy, field, rays, queries=n)
            errors[name].append(float((found - truth).square().mean().sqrt()))
    numbers = {
        "queries": list(size.queries),
        "rms_error": errors,
        "savings": savings(size.queries, errors["uniform"], hierarchical=errors["coarse + fine"]),
        "reference_queries": size.reference,
        "rays": len(rays.near),
        "steps": size.steps,
    }
    report(0.85, "pictures")
    verdict = judge(numbers)
    title = TITLE.format("saves" if verdict.holds else "does not save")
    _draw(folder / FIGURE, numbers, size, field=field, scene=scene, title=title)
    return Findings(numbers, verdict)


def subject_rays(scene: Scene, n: int) -> Rays:
    """`n` rays of test photos that show the subject."""
    generator = torch.Generator().manual_seed(0)
    parts = []
    frames = held_out_photos(scene)
    for frame in frames:
        shown = (view_image(frame)[..., 3].flatten() > 0.5).nonzero()[:, 0]
        order = torch.randperm(len(shown), generator=generator)[: -(-n // len(frames))]
        parts.append([x[shown[order]] for x in view_rays(scene, frame)])
    rays = Rays(*(torch.cat(column) for column in zip(*parts, strict=True)))
    return Rays(*(x[rays.near < rays.far] for x in rays))


def savings(
    queries: tuple[int, ...], uniform: list[float], *, hierarchical: list[float]
) -> list[float | None]:
    """For each number of queries: how many times as many uniform ones have the same error.

    Interpolated in logarithms; None where no number of uniform queries tried is as good.
    """
    log_n, log_e = np.log(queries), np.log(np.minimum.accumulate(uniform))
    found: list[float | None] = []
    for n, e in zip(queries, hierarchical, strict=True):
        if e < uniform[-1]:
            found.append(None)
        else:
            found.append(float(np.exp(np.interp(-np.log(e), -log_e, log_n)) / n))
    return found


def judge(numbers: dict[str, Any]) -> Verdict:
    """Coarse + fine is better at every number of queries from WORTH on."""
    rows = [
        (n, u, h)
        for n, u, h in zip(numbers["queries"], *numbers["rms_error"].values(), strict=True)
        if n >= WORTH
    ]
    n, even, fine = rows[0]
    ratios = [u / h for _, u, h in rows]
    return Verdict(
        "places drawn where a coarse network found something need fewer queries for the same "
        "picture (NeRF Sec. 5.2; 31.01 dB against 30.06 without, Table 2)",
        f"with {n} queries a ray the error is {fine:.4f} against {even:.4f} uniformly; "
        f"{min(ratios):.1f} to {max(ratios):.1f} times smaller from {n} to {rows[-1][0]} queries"
        + _equivalent(numbers),
        all(h < u for _, u, h in rows),
    )


def _equivalent(numbers: dict[str, Any]) -> str:
    known = [
        (n, s) for n, s in zip(numbers["queries"], numbers["savings"], strict=True) if s is not None
    ]
    if not known:
        return ""
    n, s = known[-1]
    return f"; {n} queries are worth {round(n * s)} uniform ones"


def _draw(
    path: Path, numbers: dict[str, Any], size: Size, *, field: Trained, scene: Scene, title: str
) -> None:
    few, many = size.shown
    columns = [
        (f"{few} uniform queries a ray", uniform, few),
        ("{}: {} coarse, {} more fine".format(few, *split(few)), hierarchical, few),
        (f"{many} uniform", uniform, many),
        (f"reference: {size.reference:,} uniform", uniform, size.reference),
    ]
    rays, width = _crop(scene, held_out_photos(scene)[0])
    with drawing.style():
        figure = drawing.new_figure(11.0, 6.9)
        grid = figure.add_gridspec(2, 4, height_ratios=(1.15, 1))
        for index, (label, strategy, n) in enumerate(columns):
            axes = figure.add_subplot(grid[0, index])
            picture = render(strategy, field, rays, queries=n).view(-1, width, 3)
            drawing.show(axes, drawing.bytes_of(picture.numpy()))
            axes.set_title(label, fontsize=9, loc="left")
        _draw_errors(figure.add_subplot(grid[1, :2]), numbers)
        _draw_ray(figure.add_subplot(grid[1, 2:]), field, rays, size=size)
        drawing.headline(
            figure,
            title,
            below="one trained pair of networks, asked at different places: pictures, error, and "
            "where the places on one ray fell",
            remark=f"{scene.root.name}: nerf, preset laptop, {size.steps:,} steps; "
            f"error on {numbers['rays']:,} rays of the test views that show the subject",
        )
        figure.tight_layout(rect=drawing.between(figure))
    drawing.save(figure, path)


def _draw_errors(axes: Any, numbers: dict[str, Any]) -> None:
    for (name, errors), colour in zip(numbers["rms_error"].items(), (ORANGE, BLUE), strict=True):
        axes.loglog(numbers["queries"], errors, "o-", color=colour, ms=3.5, lw=1.5, label=name)
    dress(
        axes, title="error against the reference", x="queries a ray",
        y="rms error of colour",
    )  # fmt: skip
    ticks = numbers["queries"][::2]
    axes.set_xticks(ticks, map(str, ticks))
    axes.minorticks_off()


def _draw_ray(axes: Any, field: Trained, rays: Rays, *, size: Size) -> None:
    """Density along one ray, and below it the places where each strategy asked."""
    few, many = size.shown
    found = [render(s, field, rays, queries=few) for s in (uniform, hierarchical)]
    gain = (found[0] - found[1]).square().sum(dim=-1)
    index = int(gain.argsort()[int(0.995 * len(gain))])  # not the very worst, which is a freak
    ray = Rays(*(x[index : index + 1] for x in rays))
    with torch.no_grad():
        rows = [
            (f"{few} uniform", uniform(field, ray, few).places, ORANGE),
            (f"{few} coarse + fine", hierarchical(field, ray, few).places, BLUE),
            (f"{many} uniform", uniform(field, ray, many).places, ORANGE),
        ]
        t = samplers.stratified(ray.near, ray.far, size.reference)[0]
        sigma = nerf.density(field.pair)(ray.origins + t[:, None] * ray.directions)
    axes.fill_between(t, sigma, color=FAINT, alpha=0.5, lw=0)
    top = float(sigma.max())
    for row, (name, places, colour) in enumerate(rows):
        middle = -top * (0.14 + 0.2 * row)
        axes.vlines(places[0], middle - 0.07 * top, middle + 0.07 * top, color=colour, lw=0.7)
        axes.text(float(t[-1]) * 1.005, middle, name, fontsize=8, color=colour, va="center")
    dress(axes, title="one ray", x="distance from the lens (scene units)", y="density")
    axes.set(ylim=(-0.66 * top, 1.05 * top), xlim=(float(t[0]), float(t[-1])))
    axes.set_yticks([0])
    axes.spines["bottom"].set_color("white")
    axes.axhline(0, color=INK, lw=0.6)


def _crop(scene: Scene, frame: Frame) -> tuple[Rays, int]:
    """The rays of the middle of a view, and how many make a row."""
    camera = frame.camera
    side = min(camera.width, camera.height) * 6 // 10
    row, column = (camera.height - side) // 2, (camera.width - side) // 2
    index = torch.arange(camera.width * camera.height).view(camera.height, camera.width)
    chosen = index[row : row + side, column : column + side].flatten()
    return Rays(*(x[chosen] for x in view_rays(scene, frame))), side
