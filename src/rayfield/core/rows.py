"""Rows of pictures of one size under a headline, each with a line of text above it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from rayfield.core.drawing import FOOT, HEAD, INK, headline, new_figure, save, show, style

CELL, GAP, LABEL = 1.75, 0.06, 0.24  # inches


class Cell(NamedTuple):
    """A picture, grey or in colour, and what is written above it."""

    picture: UInt8[np.ndarray, "H W *C"]
    label: str = ""


def write_rows(
    path: Path, rows: Sequence[Sequence[Cell]], *, title: str, below: str = "", remark: str = ""
) -> None:
    """Write the figure. Raises OSError."""
    columns = max(len(row) for row in rows)
    width = max(columns * (CELL + GAP) + GAP, 6.5)
    height = HEAD + FOOT + len(rows) * (CELL + LABEL + GAP)
    with style():
        figure = new_figure(width, height)
        headline(figure, title, below=below, remark=remark)
        for line, row in enumerate(rows):
            bottom = height - HEAD - (line + 1) * (CELL + LABEL + GAP) + GAP
            for column, cell in enumerate(row):
                x = GAP + column * (CELL + GAP)
                axes = figure.add_axes((x / width, bottom / height, CELL / width, CELL / height))
                picture = cell.picture
                if picture.ndim == 2:
                    picture = np.repeat(picture[..., None], 3, axis=2)
                show(axes, picture)
                place = ((x + 0.04) / width, (bottom + CELL + 0.06) / height)
                figure.text(*place, cell.label, fontsize=8.5, color=INK)
    save(figure, path)
