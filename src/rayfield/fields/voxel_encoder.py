"""Codes from grids of voxels: the encoders of Occupancy Networks and of IM-NET."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor, nn
from torch.nn import functional

from rayfield.fields.occupancy import uniform_linear

SIDE = 32  # cells
SLOPE = 0.02  # of IM-NET's leaky ReLU


class VoxelEncoder(nn.Module):
    """Convolutions of stride 2 down to 2^3 cells, then linear (Mescheder et al. 2019, supplement).

    `base` channels after the first convolution (the paper: 32), doubled by each of the next four.
    Grids have 32 cells a side; others are brought to 32 by the nearest cells.
    """

    def __init__(self, code: int, *, base: int, generator: Generator | None = None) -> None:
        super().__init__()
        self.input = _conv(1, base, 3, stride=1, padding=1, generator=generator)
        self.layers = nn.ModuleList(
            _conv(base << k, base << (k + 1), 3, stride=2, padding=1, generator=generator)
            for k in range(4)
        )
        self.output = uniform_linear(8 * (base << 4), code, generator=generator)

    def forward(self, grids: Bool[Tensor, "B R R R"]) -> Float[Tensor, "B C"]:
        """The codes."""
        x = self.input(functional.interpolate(grids[:, None].float(), (SIDE,) * 3))
        for layer in self.layers:
            x = layer(torch.relu(x))
        return self.output(torch.relu(x).flatten(1))


class SigmoidVoxelEncoder(nn.Module):
    """IM-NET's (Chen & Zhang 2019, improved release): a code in [0, 1].

    4^3 convolutions of stride 2 with instance norm and leaky ReLU until 4^3 cells are left, then
    one over all of them. `resolution` is a power of two from 8; `base` channels after the first
    convolution (the release: 32), doubled by each further one.
    """

    def __init__(
        self, code: int, *, base: int, resolution: int, generator: Generator | None = None
    ) -> None:
        super().__init__()
        if resolution < 8 or resolution & (resolution - 1):
            raise ValueError(f"resolution {resolution} is not a power of two from 8")
        steps = int(math.log2(resolution)) - 2
        widths = [1, *(base << k for k in range(steps))]
        self.layers = nn.ModuleList(
            _conv(before, after, 4, stride=2, padding=1, generator=generator)
            for before, after in pairwise(widths)
        )
        self.output = _conv(widths[-1], code, 4, stride=1, padding=0, generator=generator)

    def forward(self, grids: Bool[Tensor, "B R R R"]) -> Float[Tensor, "B C"]:
        """The codes."""
        x = grids[:, None].float()
        for layer in self.layers:
            x = functional.leaky_relu(functional.instance_norm(layer(x)), SLOPE)
        return torch.sigmoid(self.output(x).flatten(1))


def _conv(
    inputs: int, outputs: int, size: int, *, stride: int, padding: int, generator: Generator | None
) -> nn.Conv3d:
    """A convolution; weights and biases start uniform in +-1/sqrt(inputs * size^3)."""
    layer = nn.utils.skip_init(nn.Conv3d, inputs, outputs, size, stride=stride, padding=padding)
    bound = 1 / math.sqrt(inputs * size**3)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer
