"""Losses of signed functions of space, negative inside."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor


def eikonal(gradients: Float[Tensor, "N 3"]) -> Float[Tensor, ""]:
    """Mean (|gradient| - 1)^2: 0 for signed distances (Gropp et al. 2020, eq. 2)."""
    return (gradients.norm(dim=1) - 1).square().mean()


def on_surface(values: Float[Tensor, " N"]) -> Float[Tensor, ""]:
    """Mean |value| of points that should be on the surface."""
    return values.abs().mean()


def normal_misfit(
    gradients: Float[Tensor, "N 3"], normals: Float[Tensor, "N 3"]
) -> Float[Tensor, ""]:
    """Mean |gradient - normal|, the lengths not squared."""
    return (gradients - normals).norm(dim=1).mean()


def unsigned_misfit(
    values: Float[Tensor, " N"], distances: Float[Tensor, " N"]
) -> Float[Tensor, ""]:
    """Mean ||value| - distance|: blind to the sign (Atzmon & Lipman 2020, eq. 4)."""
    return (values.abs() - distances).abs().mean()


def along_normals(
    value: Callable[[Float[Tensor, "M 3"]], Float[Tensor, " M"]],
    points: Float[Tensor, "N 3"],
    normals: Float[Tensor, "N 3"],
    *,
    step: float,
) -> Float[Tensor, ""]:
    """Mean squared misfit, in steps, of the value to t at p + t n for t = -step, 0, step.

    0 for a function that vanishes at the points and has slope 1 along their unit normals: SSD
    (Calakli & Taubin 2011, eq. 1) with differences for derivatives.
    """
    offset = step * torch.tensor([-1.0, 0.0, 1.0], dtype=points.dtype, device=points.device)
    places = points[:, None] + offset[:, None] * normals[:, None]
    values = value(places.flatten(0, 1)).view(-1, 3)
    return ((values - offset) / step).square().mean()
