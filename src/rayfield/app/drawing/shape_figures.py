"""Figures of solid shapes: what was seen, what was reconstructed, what it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from rayfield.app.drawing.surfaces import frame_of
from rayfield.core.drawing import bytes_of
from rayfield.core.rows import Cell, write_rows
from rayfield.data.shape_batches import Observation
from rayfield.data.shape_views import picture, points_picture, stood, values_on_grid
from rayfield.data.solids import GridSolid, PointFn, Solid

SIZE, DETAIL = 240, 64  # pixels; cells a side of what is drawn
NEAR = 0.03  # points with a smaller distance are drawn


class Row(NamedTuple):
    """A shape of a figure: what is seen of it, what it was taken for, what it is, and the IoU."""

    label: str
    seen: Tensor
    value: PointFn
    solid: Solid
    iou: float


def reconstructions(path: Path, rows: Sequence[Row], *, kind: Observation, up: str) -> None:
    """A row for each of some shapes: what is seen of it, the reconstruction, the truth."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = []
    for row in rows:
        cells.append(
            [
                Cell(observation(row.seen, kind, up), row.label),
                Cell(drawn(row.value, up), f"reconstructed: IoU {row.iou:.3f}"),
                Cell(drawn(row.solid.distance, up), "truth"),
            ]
        )
    title = "Shapes that were not learned from"
    write_rows(path, cells, title=title, below=f"left: what is seen of them ({kind})")


def interpolation(
    path: Path, values: Sequence[PointFn], *, names: tuple[str, str], up: str
) -> None:
    """A strip of shapes between two; of one, it alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = len(values)
    labels = [f"{k / max(count - 1, 1):.1f}" if count > 1 else "" for k in range(count)]
    cells = [Cell(drawn(value, up), label) for value, label in zip(values, labels, strict=True)]
    title = f"From {names[0]} to {names[1]}" if count > 1 else "The shape that was learned"
    below = "codes evenly between those of the two ends" if count > 1 else ""
    write_rows(path, [cells], title=title, below=below)


def single(path: Path, value: PointFn, solid: Solid, *, up: str) -> None:
    """The shape learned and the truth, from two sides."""
    cells = []
    for view in ((35.0, 20.0), (215.0, 20.0)):
        pair = ((value, "learned"), (solid.distance, "truth"))
        cells += [Cell(drawn(function, up, view), label) for function, label in pair]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_rows(path, [cells], title="What was learned, and the truth")


def drawn(
    value: PointFn, up: str, view: tuple[float, float] = (35.0, 20.0)
) -> UInt8[np.ndarray, "H W"]:
    """A picture of where a function is negative; `up` is "y" or "z"."""
    return _bytes(picture(stood(values_on_grid(value, DETAIL), up), size=SIZE, view=view))


def observation(seen: Tensor, kind: Observation, up: str) -> UInt8[np.ndarray, "H W"]:
    """A picture of what is seen of a shape; one that is a picture itself stays as it is."""
    if kind in ("points", "distances"):
        points = seen if kind == "points" else seen[seen[:, 3].abs() < NEAR, :3]
        return _bytes(points_picture(points @ torch.from_numpy(frame_of(up)).float(), size=SIZE))
    if kind == "voxels":
        return drawn(GridSolid(seen).distance, up)
    return _bytes(seen) if kind == "image" else _bytes(torch.ones(SIZE, SIZE))


def _bytes(grey: Float[Tensor, "H W"]) -> UInt8[np.ndarray, "H W"]:
    return bytes_of(grey[..., None].expand(-1, -1, 3).numpy())[..., 0]
