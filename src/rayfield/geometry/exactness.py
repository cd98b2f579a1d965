"""How exactly the zero set of a function is a given closed mesh."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from rayfield.core.parts import in_parts
from rayfield.core.types import Mesh
from rayfield.geometry.convex_cover import random_points
from rayfield.geometry.polyhedron import inside, polyhedron
from rayfield.geometry.sampling import sample_surface

CHUNK = 2**15  # points between two reports
SLOPES = 2**13  # points at which gradients are taken
FARTHEST = 1e3  # of the points far outside, in units of the solid

Field = Callable[[Float[Tensor, "N 3"]], Float[Tensor, " N"]]


class Exactness(NamedTuple):
    """What was found, for a solid about as large as 1 and a function negative inside.

    `surface_points`, `surface_error`: points of the surface, corners among them, and the largest
    |f| there. `volume_points`, `sign_errors`: points off the surface (in the box around it, and
    1e-4 to 0.1 off faces, edges and corners), and where f has the wrong sign or is 0.
    `far_points`, `far_errors`: points far outside, and where f is not positive. `slope_error`: the
    largest deviation of |grad f| from 1.
    """

    surface_points: int
    surface_error: float
    volume_points: int
    sign_errors: int
    far_points: int
    far_errors: int
    slope_error: float


def exactness(
    field: Field,
    mesh: Mesh,
    count: int,
    *,
    generator: Generator,
    report: Callable[[float], None] = lambda done: None,
) -> Exactness:
    """Compare a function in double precision with a mesh, at `count` points on it and off it."""
    solid = polyhedron(mesh)
    corners = mesh.vertices.astype(np.float64)
    middles = (solid.corners + np.roll(solid.corners, 1, axis=1)).reshape(-1, 3) / 2
    on = sample_surface(mesh, count, generator=generator).points
    on = np.concatenate([corners, middles, on])
    off = random_points(solid, count // 4, generator=generator)
    far = _far(count // 8, generator)
    total, done = len(on) + len(off) + len(far), 0

    def values(points: np.ndarray) -> np.ndarray:
        @torch.no_grad()
        def some(rows: slice) -> np.ndarray:
            nonlocal done
            found = field(torch.from_numpy(points[rows])).numpy()
            done += len(found)
            report(done / total)
            return found

        return np.concatenate(in_parts(some, len(points), CHUNK))

    truth = np.where(inside(solid, off), -1, 1)
    return Exactness(
        len(on),
        float(np.abs(values(on)).max()),
        len(off),
        int((np.sign(values(off)) != truth).sum()),
        len(far),
        int((values(far) <= 0).sum()),
        _slope_error(field, off[:: max(1, len(off) // SLOPES)]),
    )


def _far(count: int, generator: Generator) -> Float[np.ndarray, "N 3"]:
    """Points outside the box that holds the solid, their distances spread in the logarithm."""
    way = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    way /= way.abs().amax(dim=1, keepdim=True)
    share = torch.rand(count, 1, generator=generator, dtype=torch.float64)
    return (way * FARTHEST**share).numpy()


def _slope_error(field: Field, points: Float[np.ndarray, "N 3"]) -> float:
    def largest(rows: slice) -> float:
        at = torch.from_numpy(points[rows]).requires_grad_()
        slope = torch.autograd.grad(field(at).sum(), at)[0]
        return float((slope.norm(dim=1) - 1).abs().max())

    return max(in_parts(largest, len(points), SLOPES))
