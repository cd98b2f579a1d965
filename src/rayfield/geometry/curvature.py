"""Mean and Gaussian curvature of a level set at the vertices of its mesh."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from rayfield.core.check import UsageError
from rayfield.core.parts import in_parts
from rayfield.core.types import Mesh
from rayfield.math.calculus import (
    central_gradient,
    central_hessian,
    gaussian_curvature_of,
    gradient,
    hessian,
    mean_curvature_of,
)

CHUNK = 2**14  # vertices at a time


class Curvature(NamedTuple):
    """By vertex: `mean` in 1 / length, `gaussian` in 1 / length^2; NaN where there is no normal.

    Positive where the solid bulges; 1 / R and 1 / R^2 on a ball of radius R.
    """

    mean: Float[np.ndarray, " V"]
    gaussian: Float[np.ndarray, " V"]


def vertex_curvature(
    mesh: Mesh,
    field: Callable[[Float[Tensor, "N 3"]], Float[Tensor, " N"]],
    *,
    inside: Literal["above", "below"],
    step: float | None = None,
) -> Curvature:
    """Curvature of the field's level sets through the vertices, from the field's derivatives.

    `inside` says on which side of its level the solid is, as for `marching.extract`. Derivatives
    are automatic, or central differences over `step` where the field cannot be differentiated
    twice (compiled fields, ReLU networks: the mean over about a step). About a hundredth of the
    shape's size is a good step in single precision. Where the mesh was closed at the box, the
    values are those of the field there and not of the flat wall.
    """
    if step is not None and not step > 0:
        raise UsageError(f"step {step}: expected a length above 0, or none")
    sign = 1 if inside == "below" else -1

    def outward(points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        return sign * field(points)

    found = np.empty((2, len(mesh.vertices)))

    def curve(part: slice) -> None:
        points = torch.from_numpy(mesh.vertices[part]).float()
        if step is None:
            slope, second = gradient(outward, points), hessian(outward, points)
        else:
            with torch.no_grad():
                slope = central_gradient(outward, points, step)
                second = central_hessian(outward, points, step)
        found[0, part] = mean_curvature_of(slope, second).numpy()
        found[1, part] = gaussian_curvature_of(slope, second).numpy()

    in_parts(curve, len(mesh.vertices), CHUNK)
    return Curvature(*found)
