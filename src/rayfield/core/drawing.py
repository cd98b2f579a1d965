"""The look of every figure: colours, type, axes, and how a figure is written.

Imported only by what draws: matplotlib takes a while to load.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 150
INK, FAINT = "#1d2733", "#8a95a1"
BLUE, ORANGE, GREEN, PURPLE = "#2563b0", "#d9711c", "#3c8d53", "#7b4fa3"
LINE, GRID = "#c3cad1", "#e4e8ec"
FONT: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
}
HEAD = 0.62  # inches that `headline` takes at the top
FOOT = 0.26  # inches that its remark takes at the bottom


def style() -> AbstractContextManager[None]:
    """The type and ink of our figures, for everything drawn inside the block."""
    return mpl.rc_context(FONT)


def new_figure(width: float, height: float) -> Figure:
    """A white figure of that size in inches."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure so that a reader never sees half of it. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp.png")
    with style():
        figure.savefig(temporary)
    temporary.replace(path)


def headline(figure: Figure, title: str, *, below: str = "", remark: str = "") -> None:
    """What a figure shows, a line that explains it, and at its foot how it was made."""
    height = figure.get_figheight()
    left = 0.14 / figure.get_figwidth()
    figure.text(left, 1 - 0.28 / height, title, fontsize=13, weight="bold")
    figure.text(left, 1 - 0.5 / height, below, fontsize=9, color=INK)
    figure.text(left, 0.09 / height, remark, fontsize=7.5, color=FAINT)


def between(figure: Figure) -> tuple[float, float, float, float]:
    """The part of a figure that `headline` leaves, as `tight_layout` takes its `rect`."""
    height = figure.get_figheight()
    return (0.0, FOOT / height, 1.0, 1 - HEAD / height)


def show(axes: Any, picture: np.ndarray) -> None:
    """A picture without ticks and frame."""
    axes.imshow(picture, interpolation="antialiased")
    axes.set_axis_off()


def dress(axes: Any, *, title: str = "", x: str = "", y: str = "") -> None:
    """Quiet axes: a title at the left, named quantities with their units, a faint grid."""
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(True, color=GRID, lw=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", colors=FAINT, labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(LINE)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)


def bytes_of(colors: Float[np.ndarray, "*B 3"]) -> UInt8[np.ndarray, "*B 3"]:
    """[0, 1] floats to 8 bits, rounded."""
    return (np.clip(colors, 0, 1) * 255 + 0.5).astype(np.uint8)
