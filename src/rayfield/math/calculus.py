"""Derivatives of functions of points that cannot be asked for them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor


def central_gradient(
    function: Callable[[Float[Tensor, "M 3"]], Float[Tensor, " M"]],
    points: Float[Tensor, "N 3"],
    step: float,
) -> Float[Tensor, "N 3"]:
    """Gradient by central differences over 2 `step`: exact for quadratic functions."""
    sides = step * torch.cat([torch.eye(3), -torch.eye(3)]).to(points)
    around = (points[:, None] + sides).reshape(-1, 3)
    ahead, behind = function(around).view(-1, 2, 3).unbind(1)
    return (ahead - behind) / (2 * step)
