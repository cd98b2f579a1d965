"""Terms that are small for smooth meshes and grids."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor


def laplacian(vertices: Float[Tensor, "V C"], edges: Int[Tensor, "E 2"]) -> Float[Tensor, ""]:
    """Sum over vertices of |v - mean of its neighbours|^2, the uniform Laplacian energy.

    `edges` lists each edge once; vertices without one add nothing.
    """
    a, b = edges.unbind(1)
    total = vertices.new_zeros(vertices.shape)
    total = total.index_add(0, a, vertices[b]).index_add(0, b, vertices[a])
    one = vertices.new_ones(len(edges))
    degree = vertices.new_zeros(len(vertices)).index_add(0, a, one).index_add(0, b, one)
    offset = vertices - total / degree.clamp_min(1)[:, None]
    return (offset.square().sum(dim=1) * (degree > 0)).sum()


def total_variation(grid: Float[Tensor, "X Y Z C"]) -> Float[Tensor, ""]:
    """Mean squared difference of neighbouring nodes along the three axes; 0 for a constant."""
    axes = (grid.diff(dim=axis).square().mean() for axis in range(3))
    return sum(axes, start=grid.new_zeros(())) / 3


def bending(grid: Float[Tensor, "X Y Z C"]) -> Float[Tensor, ""]:
    """Mean squared second difference along the three axes; 0 for an affine function."""
    axes = (grid.diff(n=2, dim=axis).square().mean() for axis in range(3))
    return sum(axes, start=grid.new_zeros(())) / 3
