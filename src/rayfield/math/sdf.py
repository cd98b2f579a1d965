"""Signed distances of simple shapes, exact and negative inside: functions of points, any batch.

All are differentiable as often as the distance itself is; where it is not (on the medial axis) the
gradient is one of those around, or 0 where these cancel. Shapes lie at the origin; `moved` and
`scaled` place them, `csg` combines their values. Distances are kept by rotations, reflections,
shifts and uniform scales, and by no other linear map.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from rayfield.core.check import UsageError

Shape = Callable[[Float[Tensor, "*B D"]], Float[Tensor, "*B"]]


def length(vectors: Float[Tensor, "*B D"]) -> Float[Tensor, "*B"]:
    """Euclidean norm whose first and second derivatives are 0, not NaN, at the zero vector."""
    square = (vectors * vectors).sum(-1)
    some = square > 0
    return torch.where(some, torch.where(some, square, 1.0).sqrt(), 0.0)


def sphere(points: Float[Tensor, "*B D"], radius: float) -> Float[Tensor, "*B"]:
    """Sphere about the origin (a circle in the plane)."""
    return length(points) - radius


def plane(
    points: Float[Tensor, "*B D"], normal: Sequence[float], height: float = 0.0
) -> Float[Tensor, "*B"]:
    """The half-space normal . x < height; the normal may have any length but 0."""
    n = torch.tensor(normal).to(points)
    size = n.norm()
    if not (torch.isfinite(size) and size > 0):
        raise UsageError(f"a plane needs a normal, got {list(normal)}")
    return ((points * n).sum(-1) - height) / size


def box(points: Float[Tensor, "*B D"], half: Sequence[float]) -> Float[Tensor, "*B"]:
    """Box of half-lengths `half` along the axes: to its nearest face, edge or corner."""
    q = points.abs() - torch.tensor(half).to(points)
    return length(q.clamp(min=0)) + q.amax(-1).clamp(max=0)


def torus(points: Float[Tensor, "*B 3"], major: float, minor: float) -> Float[Tensor, "*B"]:
    """Points within `minor` of a circle of radius `major` about the z axis."""
    ring = length(points[..., :2]) - major
    return length(torch.stack([ring, points[..., 2]], dim=-1)) - minor


def capsule(
    points: Float[Tensor, "*B D"], start: Sequence[float], end: Sequence[float], *, radius: float
) -> Float[Tensor, "*B"]:
    """Points within `radius` of the segment from `start` to `end`."""
    a, b = torch.tensor(start).to(points), torch.tensor(end).to(points)
    along = b - a
    share = ((points - a) * along).sum(-1) / (along * along).sum().clamp(min=1e-30)
    return length(points - a - share.clamp(0, 1)[..., None] * along) - radius


def cylinder(points: Float[Tensor, "*B 3"], radius: float, half: float) -> Float[Tensor, "*B"]:
    """Solid cylinder about the z axis, |z| < half."""
    across = torch.stack([length(points[..., :2]), points[..., 2]], dim=-1)
    return box(across, (radius, half))


def moved(
    shape: Shape,
    shift: Sequence[float],
    rotation: Float[Tensor, "D D"] | None = None,
) -> Shape:
    """The shape turned by a rotation (or reflection) about the origin, then shifted.

    `UsageError` for a matrix that does not keep distances.
    """
    by = torch.tensor(shift)
    turn = torch.eye(len(by)) if rotation is None else rotation
    skew = (turn @ turn.T - torch.eye(len(turn)).to(turn)).abs().max()
    if not skew < 1e-5:
        raise UsageError(f"only rotations keep distances; this is no such: {turn.tolist()}")
    return lambda points: shape((points - by.to(points)) @ turn.to(points))


def scaled(shape: Shape, factor: float) -> Shape:
    """The shape enlarged about the origin: s d(x / s)."""
    if not 0 < factor < float("inf"):
        raise UsageError(f"scale {factor}: expected a number above 0")
    return lambda points: factor * shape(points / factor)
