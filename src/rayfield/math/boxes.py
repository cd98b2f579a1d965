"""Which points lie in which boxes of the plane: the pairs a rasteriser works on.

Points are sorted into a grid of cells; each box then asks only the cells that it touches. Points
and boxes belong to groups (pictures), and only those of one group meet.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

PER_CELL = 2.0  # points in a cell, on average
MOST_CELLS = 1024  # along a side of the grid


@torch.no_grad()
def points_in_boxes(
    points: Float[Tensor, "P 2"],
    low: Float[Tensor, "B 2"],
    high: Float[Tensor, "B 2"],
    *,
    point_group: Int[Tensor, " P"],
    box_group: Int[Tensor, " B"],
) -> tuple[Int[Tensor, " K"], Int[Tensor, " K"]]:
    """All pairs (point, box) of one group with low <= point <= high, box after box.

    Points are finite; a box with a coordinate that is NaN holds nothing.
    """
    if not len(points) or not len(low):
        return point_group.new_zeros(0), point_group.new_zeros(0)
    first, last = points.amin(dim=0), points.amax(dim=0)
    groups = int(point_group.max()) + 1
    side = max(1, min(MOST_CELLS, math.isqrt(int(len(points) / (groups * PER_CELL)))))
    scale = side / (last - first).clamp_min(1e-30)

    def cells(x: Tensor) -> Tensor:
        return ((x.clamp(first, last) - first) * scale).long().clamp_(0, side - 1)

    def key(cell: Tensor, group: Tensor) -> Tensor:
        return (group * side + cell[:, 1]) * side + cell[:, 0]

    keys = key(cells(points), point_group)
    order = keys.argsort(stable=True)
    held = torch.bincount(keys, minlength=groups * side * side)
    start = held.cumsum(0) - held

    met = ((high >= first) & (low <= last) & (low <= high)).all(dim=1) & (box_group < groups)
    box = met.nonzero()[:, 0]
    corner = cells(low[box])
    wide, tall = (cells(high[box]) - corner + 1).unbind(1)
    which, place = _each(wide * tall)
    wide = wide[which]
    row = torch.div(place, wide, rounding_mode="floor")
    box = box[which]
    touched = key(corner[which] + torch.stack([place - row * wide, row], dim=1), box_group[box])
    visit, nth = _each(held[touched])
    point, box = order[start[touched[visit]] + nth], box[visit]
    at = points.index_select(0, point)
    inside = ((at >= low.index_select(0, box)) & (at <= high.index_select(0, box))).all(dim=1)
    kept = inside.nonzero()[:, 0]
    return point.index_select(0, kept), box.index_select(0, kept)


def _each(count: Int[Tensor, " N"]) -> tuple[Int[Tensor, " M"], Int[Tensor, " M"]]:
    """For `count[i]` items of each i, one after the other: i, and the item's number among them."""
    owner = torch.repeat_interleave(count)
    first = count.cumsum(0) - count
    return owner, torch.arange(len(owner)) - first[owner]
