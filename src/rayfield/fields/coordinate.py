"""Coordinate networks: from a point, or features of it, to a value."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from rayfield.math.lattice import lattice

CHUNK = 2**15  # points evaluated at a time

FieldFn = Callable[[Float[Tensor, "N D"]], Float[Tensor, "N C"]]


class ReLUNetwork(nn.Module):
    """Layers with biases and ReLU between them; `widths` lists input, hidden and output sizes.

    Weights start normal with variance 2 / inputs (He et al. 2015, eq. 10; the last layer half of
    it), biases zero.
    """

    def __init__(self, *widths: int, generator: Generator | None = None) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for index, (inputs, outputs) in enumerate(pairwise(widths)):
            layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
            last = index == len(widths) - 2
            deviation = math.sqrt((1 if last else 2) / inputs)
            with torch.no_grad():
                layer.weight.normal_(0, deviation, generator=generator)
                layer.bias.zero_()
            self.layers.append(layer)

    def forward(self, x: Float[Tensor, "N I"]) -> Float[Tensor, "N O"]:
        """Apply the layers to a batch of rows."""
        *hidden, last = self.layers
        for layer in hidden:
            x = torch.relu_(layer(x))
        return last(x)


@torch.no_grad()
def sampled(
    field: FieldFn, sizes: Sequence[int], *, extent: Sequence[float]
) -> Float[Tensor, "*S C"]:
    """A field's values at the cells of an array of shape `sizes` over the box [0, extent]."""
    points = lattice(sizes, extent)
    values = torch.cat([field(part) for part in points.split(CHUNK)])
    return values.reshape(*sizes, -1)
