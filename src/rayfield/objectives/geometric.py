"""Losses of signed functions of space, negative inside."""

from __future__ import annotations

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
