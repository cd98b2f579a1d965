"""A contact sheet: rows of square pictures under a headline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from rayfield.core.drawing import BLUE, new_figure, save, show, style

COLUMNS = 6
CELL, GAP, LABEL, HEAD = 1.9, 0.06, 0.2, 0.34  # inches
TOP = 0.95


class Row(NamedTuple):
    """Up to six pictures with a heading, and a label for each or none at all."""

    heading: str
    pictures: Sequence[UInt8[np.ndarray, "H W 3"]]
    labels: Sequence[str]


def write(path: Path, rows: Sequence[Row], *, title: str, headline: str) -> None:
    """Draw the sheet. Raises OSError."""
    width = COLUMNS * (CELL + GAP) + 3 * GAP
    height = TOP + sum(_height(row) for row in rows) + 0.1
    with style():
        figure = new_figure(width, height)
        figure.text(2 * GAP / width, 1 - 0.4 / height, title, fontsize=19, weight="bold")
        figure.text(2 * GAP / width, 1 - 0.7 / height, headline, fontsize=11)
        y = TOP
        for row in rows:
            place = (2 * GAP / width, 1 - (y + HEAD - 0.12) / height)
            figure.text(*place, row.heading, fontsize=10.5, color=BLUE)
            for index, picture in enumerate(row.pictures):
                x = 2 * GAP + index * (CELL + GAP)
                bottom = height - y - HEAD - CELL
                box = (x / width, bottom / height, CELL / width, CELL / height)
                show(figure.add_axes(box), picture)
                if row.labels:
                    at = ((x + CELL / 2) / width, (bottom - 0.15) / height)
                    figure.text(*at, row.labels[index], ha="center", fontsize=8.5)
            y += _height(row)
    save(figure, path)


def _height(row: Row) -> float:
    return HEAD + CELL + (LABEL if row.labels else 0.0)
