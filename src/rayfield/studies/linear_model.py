"""The linear model f(x) = w.x + b with the eikonal term, and gradient descent on it."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Generator, Tensor

POINTS = 200
LONGEST = 2.0  # of a start
STILL = 1e-13  # gradients below end a descent


class Limit(NamedTuple):
    """Where descents ended: slopes w [S, D], offsets b [S], and after how many steps all stood."""

    w: Float[Tensor, "S D"]
    b: Float[Tensor, " S"]
    steps: int


def plane_points(
    dimensions: int, noise: float, *, offset: float = 0.0, generator: Generator
) -> tuple[Float[Tensor, "N D"], Float[Tensor, " D"]]:
    """Points of a random plane n.x = offset, moved off it by Gaussian noise; and n."""
    n = torch.randn(dimensions, generator=generator, dtype=torch.float64)
    n /= n.norm()
    x = torch.randn(POINTS, dimensions, generator=generator, dtype=torch.float64)
    off = noise * torch.randn(POINTS, 1, generator=generator, dtype=torch.float64)
    return x - (x @ n)[:, None] * n + (offset + off) * n, n


def descend(
    points: Float[Tensor, "N D"], start: Float[Tensor, "S D"], *, strength: float, steps: int,
    offset: bool = False,
) -> Limit:  # fmt: skip
    """Gradient descent on E from every start, with steps of 1 / (its largest curvature).

    With `offset` the model is w.x + b, b starts at 0, and the term on |w| leaves b alone.
    """
    x = torch.cat([points, torch.full((len(points), 1), float(offset), dtype=points.dtype)], dim=1)
    moments = x.T @ x / len(x)
    longest = max(float(start.norm(dim=1).max()), 1.0)
    bound = 2 * float(torch.linalg.eigvalsh(moments)[-1]) + 4 * strength * (3 * longest**2 - 1)
    v = torch.cat([start, torch.zeros(len(start), 1, dtype=start.dtype)], dim=1)
    done = 0
    for done in range(1, steps + 1):
        gradient = 2 * v @ moments
        w = v[:, :-1]
        gradient[:, :-1] += 4 * strength * ((w * w).sum(dim=1, keepdim=True) - 1) * w
        v = v - gradient / bound
        if done % 100 == 0 and float(gradient.abs().max()) < STILL:
            break
    return Limit(v[:, :-1], v[:, -1], done)


def starts(count: int, dimensions: int, *, generator: Generator) -> Float[Tensor, "S D"]:
    """Random directions, with lengths evenly from 0 to LONGEST."""
    w = torch.randn(count, dimensions, generator=generator, dtype=torch.float64)
    length = LONGEST * torch.rand(count, 1, generator=generator, dtype=torch.float64)
    return w / w.norm(dim=1, keepdim=True) * length


def predicted(points: Float[Tensor, "N D"], strength: float) -> tuple[Float[Tensor, " D"], float]:
    """The limit of the theory (up to its sign), and the least eigenvalue of the data."""
    values, vectors = torch.linalg.eigh(points.T @ points / len(points))
    least = float(values[0])
    return vectors[:, 0] * math.sqrt(max(1 - least / (2 * strength), 0)), least


def distance(w: Float[Tensor, "S D"], limit: Float[Tensor, " D"]) -> Float[Tensor, " S"]:
    """From each w to the nearer of the limit and its opposite."""
    return torch.minimum((w - limit).norm(dim=1), (w + limit).norm(dim=1))
