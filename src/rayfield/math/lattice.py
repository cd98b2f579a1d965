"""Regular lattices of points in the unit cube: the samples of signals, pictures and volumes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def lattice(sizes: Sequence[int], extent: Sequence[float] = ()) -> Float[Tensor, "N D"]:
    """Centres of the cells of an array of shape `sizes`, last axis fastest: N = product of sizes.

    Coordinate k runs along axis k of the array from 0 to `extent[k]` (1 where not given); the
    first centre lies half a cell from 0.
    """
    extent = extent or [1.0] * len(sizes)
    axes = [
        (torch.arange(size, dtype=torch.float32) + 0.5) * (length / size)
        for size, length in zip(sizes, extent, strict=True)
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, len(axes))


def extent_of(sizes: Sequence[int]) -> tuple[float, ...]:
    """Sides of an array of square cells whose longest side is 1."""
    return tuple(size / max(sizes) for size in sizes)
