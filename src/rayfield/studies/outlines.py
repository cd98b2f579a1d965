"""Curves in the plane to reconstruct from their points: closed, open, and with corners."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Generator, Tensor

RADIUS = 0.7  # of the circle; half a side of the square
LETTER = (  # the outline of an R without its hole, counter-clockwise
    (-0.45, -0.7), (-0.2, -0.7), (-0.2, -0.15), (0.0, -0.15), (0.2, -0.7), (0.5, -0.7),
    (0.25, -0.05), (0.45, 0.25), (0.35, 0.6), (0.1, 0.7), (-0.45, 0.7),
)  # fmt: skip


class Outline(NamedTuple):
    """Points of a curve with outward unit normals, and whether it is closed."""

    points: Float[Tensor, "N 2"]
    normals: Float[Tensor, "N 2"]
    closed: bool


def circle(count: int) -> Outline:
    """A circle of radius RADIUS."""
    angle = 2 * math.pi * (torch.arange(count) + 0.5) / count
    normals = torch.stack([angle.cos(), angle.sin()], dim=1)
    return Outline(RADIUS * normals, normals, closed=True)


def open_square(count: int) -> Outline:
    """Three sides of a square; the one on the right is missing."""
    r = RADIUS
    return along([(r, r), (-r, r), (-r, -r), (r, -r)], count, closed=False)


def letter(count: int) -> Outline:
    """A letter R, filled."""
    return along(list(LETTER), count, closed=True)


def along(corners: list[tuple[float, float]], count: int, *, closed: bool) -> Outline:
    """Points at equal distances along a polyline that has its inside on the left."""
    ends = torch.tensor(corners + corners[:1] if closed else corners)
    sides = ends[1:] - ends[:-1]
    lengths = sides.norm(dim=1)
    at = (torch.arange(count) + 0.5) / count * lengths.sum()
    before = torch.cat([torch.zeros(1), lengths.cumsum(0)])
    side = (torch.searchsorted(before, at) - 1).clamp(0, len(sides) - 1)
    share = (at - before[side]) / lengths[side]
    way = sides / lengths[:, None]
    normals = torch.stack([way[:, 1], -way[:, 0]], dim=1)
    return Outline(ends[side] + share[:, None] * sides[side], normals[side], closed)


def around(outline: Outline, count: int, *, generator: Generator) -> Float[Tensor, "M 2"]:
    """Where the eikonal term is asked: half near the curve, half anywhere in [-1, 1]^2."""
    chosen = torch.randint(len(outline.points), (count // 2,), generator=generator)
    near = outline.points[chosen] + 0.1 * torch.randn(count // 2, 2, generator=generator)
    return torch.cat([near, 2 * torch.rand(count - count // 2, 2, generator=generator) - 1])
