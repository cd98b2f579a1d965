"""The figure of the study `surface_vs_volume`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rayfield.core import drawing
from rayfield.core.drawing import BLUE, GREEN, INK, PURPLE, dress, show

COLOURS = {"NeuS": BLUE, "VolSDF": GREEN, "UNISURF": PURPLE}


def draw(path: Path, numbers: dict[str, Any], *, views: dict[str, Any], side: int) -> None:
    """Views above, with both failures; curves below."""
    with drawing.style():
        figure = drawing.new_figure(13.2, 7.2)
        grid = figure.add_gridspec(2, 10, height_ratios=(1.0, 1.05))
        missed = numbers["missed"]
        titles = {
            "traced": f"sphere tracing\n{numbers['queries']['traced']:.0f} queries a ray",
            "hard": f"volume rendering, hard\n{numbers['samples']:,} queries a ray",
            "soft": "volume rendering, soft\nsharpness 30",
            "stretched": "tracing fails: distance 1.7 times\n"
            f"too long, {missed['stretched']:.0%} missed",
            "coarse": f"volume fails: {numbers['counts'][1]} cells, sheet\nof 0.01, "
            f"{missed['coarse']:.0%} missed",
        }
        for column, (name, title) in enumerate(titles.items()):
            axes = figure.add_subplot(grid[0, 2 * column : 2 * column + 2])
            picture = views[name].color.clamp(0, 1).view(side, side, 3)
            show(axes, drawing.bytes_of(picture.numpy()))
            axes.set_title(title, fontsize=9.5, loc="left")
        _curves(figure.add_subplot(grid[1, :5]), numbers["sharpness"], numbers["by_sharpness"])
        _curves(figure.add_subplot(grid[1, 5:]), numbers["counts"], numbers["by_samples"])
        left, right = figure.axes[-2:]
        dress(left, title="difference from the traced picture", x="sharpness, 1/length",
              y="mean over the subject, of 255 levels")  # fmt: skip
        dress(right, title="the same at sharpness 10,000, by samples", x="samples on a ray",
              y="mean over the subject, of 255 levels")  # fmt: skip
        drawing.headline(
            figure,
            "A hard surface looks the same by both ways, and tracing asks a fraction as often",
            below="one exact signed distance: a ball, a ring and a sheet 0.01 thick. Curves leave "
            "silhouettes out",
            remark=f"{side}x{side} pixels, double precision, no training; equal cells between the "
            "ends of each ray; dashed: one of 255 levels",
        )
        figure.tight_layout(rect=drawing.between(figure), h_pad=1.2, w_pad=0.6)
    drawing.save(figure, path)


def _curves(axes: Any, x: Any, found: dict[str, list[float]]) -> None:
    for name, values in found.items():
        axes.loglog(
            x, np.maximum(values, 0.03), "o-", color=COLOURS[name], ms=4, lw=1.6, label=name
        )
    axes.axhline(1, color=INK, lw=1, ls="--")
    axes.set_ylim(0.03, None)
    axes.set_xticks(x, [f"{n:,.0f}" for n in x])
    axes.minorticks_off()
