"""The figure of `supervision`: error by number of samples, and the surfaces of one number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from rayfield.core import drawing
from rayfield.core.drawing import BLUE, GREEN, INK, ORANGE, PURPLE
from rayfield.data.shape_views import picture, stood, values_on_grid
from rayfield.data.solids import PointFn

DETAIL, PIXELS = 80, 260  # cells a side of what is drawn, and pixels of its picture
COLOURS = (INK, BLUE, GREEN, ORANGE, PURPLE)
MARKS = "sDo^v"
FULL_3D = 2  # so many of the first supervisions are full
MEASURES = {
    "chamfer": "distance between surfaces / longest side",
    "normal_consistency": "normal consistency",
    "iou": "IoU of the insides",
}
SHOWN, CURVES, CELL = 3, 4.0, 2.2  # shapes in the pictures; heights in inches


def seen(value: PointFn, up: str) -> UInt8[np.ndarray, "H W"]:
    """A picture of a solid in [-1, 1]^3 whose axis `up`, "y" or "z", is up, grey on white."""
    values = stood(values_on_grid(value, DETAIL), up)
    grey = picture(values, size=PIXELS)[..., None].expand(-1, -1, 3)
    return drawing.bytes_of(grey.numpy())[..., 0]


def draw(
    path: Path,
    numbers: dict[str, Any],
    pictures: dict[tuple[str, str], UInt8[np.ndarray, "H W"]],
    *,
    ways: tuple[str, ...],
) -> None:
    """Write the figure; `pictures` are by shape and supervision, "truth" among these."""
    shown, size = numbers["shapes"][:SHOWN], numbers["size"]
    heights = (CURVES, CELL * len(shown))
    with drawing.style():
        figure = drawing.new_figure(12.0, sum(heights))
        parts: Any = figure.subfigures(2, 1, height_ratios=heights)
        top, below = parts
        axes = top.subplots(1, len(MEASURES))
        for ax, measure in zip(axes, MEASURES, strict=True):
            _curves(ax, numbers, measure, ways)
        place = {"loc": "upper left", "bbox_to_anchor": (0.0, 0.85), "ncols": len(ways)}
        top.legend(axes[0].lines, ways, frameon=False, fontsize=8.5, **place)
        top.subplots_adjust(left=0.06, right=0.98, top=0.7, bottom=0.13, wspace=0.25)
        _surfaces(below, shown, pictures, numbers, ways=ways)
        drawing.headline(
            figure,
            "Told values all over space, or nothing but points of the surface",
            below="one network, start and number of steps; with N samples: whether N places are "
            "inside, or their distances (full supervision, dashed); or N points of the surface",
            remark=f"{size['layers']} layers of {size['width']} softplus units that start as a "
            f"sphere, {size['steps']:,} steps of about {size['batch']:,} places; curves: means "
            f"over {len(numbers['shapes'])} shapes; pictures: N = {size['shown']:,}",
        )
    drawing.save(figure, path)


def _curves(axes: Any, numbers: dict[str, Any], measure: str, ways: tuple[str, ...]) -> None:
    amounts = numbers["size"]["amounts"]
    for index, way in enumerate(ways):
        means = [mean_of(numbers["cases"], measure, way=way, amount=n) for n in amounts]
        line = "--" if index < FULL_3D else "-"
        axes.plot(amounts, means, line + MARKS[index], color=COLOURS[index], ms=4.5)
    axes.set_xscale("log")
    axes.set_xticks(amounts, [f"{n:,}" for n in amounts])
    axes.minorticks_off()
    if measure == "chamfer":
        axes.set_yscale("log")
    drawing.dress(axes, title=MEASURES[measure], x="samples N")


def mean_of(cases: list[dict[str, Any]], measure: str, *, way: str, amount: int) -> float:
    """Over the shapes; NaN if one of them got no surface."""
    mine = [c[measure] for c in cases if (c["way"], c["amount"]) == (way, amount)]
    return float(np.mean([np.nan if value is None else value for value in mine]))


def _surfaces(
    part: Any,
    shown: list[str],
    pictures: dict[tuple[str, str], UInt8[np.ndarray, "H W"]],
    numbers: dict[str, Any],
    *,
    ways: tuple[str, ...],
) -> None:
    grid = part.subplots(len(shown), 1 + len(ways), squeeze=False)
    cases = [c for c in numbers["cases"] if c["amount"] == numbers["size"]["shown"]]
    for row, shape in zip(grid, shown, strict=True):
        for axes, way in zip(row, ("truth", *ways), strict=True):
            drawing.show(axes, np.repeat(pictures[shape, way][..., None], 3, axis=2))
            found = [c["iou"] for c in cases if (c["shape"], c["way"]) == (shape, way)]
            title = f"{shape}, true" if way == "truth" else f"{way}: IoU {found[0]:.3f}"
            axes.set_title(title, fontsize=8, loc="left")
    part.subplots_adjust(left=0.01, right=0.99, top=0.95, bottom=0.05, wspace=0.04, hspace=0.14)
