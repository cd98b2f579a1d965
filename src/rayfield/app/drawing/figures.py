"""Pictures of pictures: strips and comparisons, drawn with matplotlib."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure
from PIL import Image

from rayfield.core.drawing import BLUE, FAINT, INK, bytes_of, new_figure, save, show, style
from rayfield.geometry.wholefile import write_whole

SHOWN = 6  # pictures in a strip, beside the photo


class Comparison(NamedTuple):
    """A photo and what a field shows in its place."""

    title: str
    photo: Float[np.ndarray, "H W 3"]
    rendered: Float[np.ndarray, "H W 3"]


def read_picture(path: Path) -> UInt8[np.ndarray, "H W 3"]:
    """The RGB of a picture of our own making. Raises OSError."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def save_picture(path: Path, picture: UInt8[np.ndarray, "H W 3"]) -> None:
    """Write a PNG, whole or not at all, with the folders on the way. Raises RayfieldError."""
    encoded = io.BytesIO()
    Image.fromarray(picture).save(encoded, "PNG")
    write_whole(path, encoded.getvalue())


def sharpening(
    path: Path,
    *,
    pictures: Sequence[UInt8[np.ndarray, "H W 3"]],
    labels: Sequence[str],
    photo: UInt8[np.ndarray, "H W 3"],
    name: str = "photo",
) -> None:
    """A strip of one view at growing training times, what it should be at its right end."""
    chosen = np.unique(np.linspace(0, len(pictures) - 1, min(SHOWN, len(pictures))).round())
    cells = [(pictures[int(i)], labels[int(i)], INK) for i in chosen] + [(photo, name, BLUE)]
    height, width = photo.shape[:2]
    side = 1.7
    with style():
        figure = new_figure(side * len(cells), side * height / width + 0.45)
        grid = figure.subplots(1, len(cells), squeeze=False)[0]
        for axes, (picture, label, ink) in zip(grid, cells, strict=True):
            show(axes, picture)
            axes.set_title(label, fontsize=9, color=ink, pad=4)
        _tighten(figure, 0.3)
    save(figure, path)


def evaluation(path: Path, rows: Sequence[Comparison]) -> None:
    """Photo, render and absolute error of some views, one below the other."""
    height, width = rows[0].photo.shape[:2]
    side = 2.6
    limit = error_limit(rows)
    with style():
        figure = new_figure(3 * side, len(rows) * (side * height / width + 0.28))
        grid = figure.subplots(len(rows), 3, squeeze=False)
        for axes, row in zip(grid, rows, strict=True):
            show(axes[0], row.photo)
            show(axes[1], row.rendered)
            show(axes[2], error_colors(row, limit))
            axes[0].set_title(row.title, loc="left", fontsize=9, pad=4)
            axes[1].set_title("rendered", fontsize=9, pad=4, color=FAINT)
            axes[2].set_title(f"error, 0 to {limit:.2f}", fontsize=9, pad=4, color=FAINT)
        _tighten(figure, 0.28)
    save(figure, path)


def error_limit(rows: Sequence[Comparison]) -> float:
    """The error that gets the brightest colour: one pixel in a hundred exceeds it."""
    return max(0.05, float(max(np.quantile(_error(row), 0.99) for row in rows)))


def error_colors(row: Comparison, limit: float) -> UInt8[np.ndarray, "H W 3"]:
    """The absolute error of every pixel as a colour, from black (0) to light (`limit`)."""
    return bytes_of(mpl.colormaps["magma"](np.clip(_error(row) / limit, 0, 1))[..., :3])


def _error(row: Comparison) -> Float[np.ndarray, "H W"]:
    return np.abs(row.photo - row.rendered).mean(axis=-1)


def _tighten(figure: Figure, title: float) -> None:
    """Pictures side by side with only their titles between them; `title` in inches."""
    grid = figure.axes[0].get_gridspec()
    assert grid is not None
    share = title * grid.nrows / figure.get_figheight()
    figure.subplots_adjust(0.004, 0.012, 0.996, 1 - share / grid.nrows, 0.02, share)
