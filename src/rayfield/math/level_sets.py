"""Points on level sets of functions, and how they move with the function's parameters.

Atzmon, Haim, Yariv, Israelov, Maron, Lipman 2019, arXiv:1905.11911.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

LEAST = 1e-6  # squared length that a gradient is taken to have at least

SlopesFn = Callable[[Float[Tensor, "N 3"]], tuple[Float[Tensor, " N"], Float[Tensor, "N 3"]]]


class Projected(NamedTuple):
    """Points, the gradients of the function there, and which of them lie on the level set."""

    points: Float[Tensor, "N 3"]
    gradients: Float[Tensor, "N 3"]
    reached: Bool[Tensor, " N"]


@torch.no_grad()
def newton_projection(
    function: SlopesFn,
    points: Float[Tensor, "N 3"],
    *,
    level: float = 0.0,
    tolerance: float = 1e-5,
    iterations: int = 10,
) -> Projected:
    """Points moved along the gradient to the level set: p <- p - (F - c) grad F / |grad F|^2.

    `function` gives values and gradients; points within `tolerance` of the level stay where they
    are. Exact in one step for a signed distance.
    """
    points = points.clone()
    value, gradients = function(points)
    value = value - level
    for _ in range(iterations):
        away = torch.nonzero(value.abs() > tolerance)[:, 0]
        if not len(away):
            break
        points[away] -= value[away, None] * pseudo_inverse(gradients[away])
        moved, slopes = function(points[away])
        value[away], gradients[away] = moved - level, slopes
    return Projected(points, gradients, value.abs() <= tolerance)


def pseudo_inverse(gradients: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
    """grad F / |grad F|^2: the shortest step that raises F by one (Sec. 3)."""
    return gradients / gradients.square().sum(dim=1, keepdim=True).clamp_min(LEAST)


def sample_network(
    points: Float[Tensor, "N 3"],
    values: Float[Tensor, " N"],
    gradients: Float[Tensor, "N 3"],
    *,
    level: float = 0.0,
) -> Float[Tensor, "N 3"]:
    """Points of a level set as functions of the parameters behind `values` (eq. 5).

    p(theta) = p - grad F / |grad F|^2 (F(p; theta) - c), where p and the gradient are constants: at
    the present parameters p itself, with derivative -grad F / |grad F|^2 dF/dtheta.
    """
    step = pseudo_inverse(gradients.detach())
    return points.detach() - (values - level)[:, None] * step
