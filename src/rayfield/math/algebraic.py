"""Algebraic surfaces: zero sets of polynomials, negative inside. They are no distances.

A point where the polynomial and its gradient vanish is singular: the surface has no normal there
(`calculus.unit_normal` says so).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def sphere(points: Float[Tensor, "*B D"], radius: float) -> Float[Tensor, "*B"]:
    """|x|^2 - R^2: its gradient on the surface has length 2 R."""
    return (points * points).sum(-1) - radius**2


def torus(points: Float[Tensor, "*B 3"], major: float, minor: float) -> Float[Tensor, "*B"]:
    """(|x|^2 + R^2 - r^2)^2 - 4 R^2 (x^2 + y^2): degree 4; self-crossing where r > R."""
    square = points * points
    across = square[..., :2].sum(-1)
    return (square.sum(-1) + major**2 - minor**2) ** 2 - 4 * major**2 * across


def quadric(
    points: Float[Tensor, "*B D"],
    matrix: Float[Tensor, "D D"],
    vector: Float[Tensor, " D"],
    *,
    constant: float,
) -> Float[Tensor, "*B"]:
    """x^T A x + b . x + c: ellipsoids, cones, cylinders, hyperboloids, paraboloids."""
    return ((points @ matrix) * points).sum(-1) + points @ vector + constant


def cayley(points: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B"]:
    """x^2 + y^2 + z^2 - 2 x y z - 1: Cayley's cubic with four singular points, CAYLEY_NODES.

    About the origin it bounds a pillow between the four nodes.
    """
    return (points * points).sum(-1) - 2 * points.prod(-1) - 1


CAYLEY_NODES = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
