"""The decoder of IM-NET (Chen & Zhang 2019, arXiv:1812.02822, improved release)."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor, nn
from torch.nn import functional

SLOPE = 0.02  # of the leaky ReLU
LEAK = 0.01  # slope of the soft clip outside [0, 1]
WIDTHS = (1024, 1024, 1024, 512, 256, 128)  # of the release


class ImNetDecoder(nn.Module):
    """Occupancy, nearly in [0, 1], at points of shapes that codes tell apart.

    A code of size 0 makes it the function of one shape. Weights start normal with deviation
    `spread` (the release: 0.02), or sqrt(2 / inputs) where that is 0 (for the coordinates as if
    they were the only inputs, or a long code would drown them), and biases at 0. The part of the
    first layer that sees the code is computed once for each shape.
    """

    def __init__(
        self,
        widths: tuple[int, ...],
        *,
        code: int,
        spread: float = 0.0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.code = code
        self.layers = nn.ModuleList()
        for inputs, outputs in pairwise((3 + code, *widths, 1)):
            layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
            deviation = spread or math.sqrt(2 / inputs)
            nn.init.normal_(layer.weight, std=deviation, generator=generator)
            nn.init.zeros_(layer.bias)
            self.layers.append(layer)
        if not spread:
            first = self.layers[0]
            assert isinstance(first, nn.Linear)
            first.weight.data[:, :3] *= math.sqrt((3 + code) / 3)

    def forward(
        self, points: Float[Tensor, "B N 3"], codes: Float[Tensor, "B C"]
    ) -> Float[Tensor, "B N"]:
        """Values softly clipped: max(min(h, 0.01 h + 0.99), 0.01 h)."""
        first, *others = self.layers
        assert isinstance(first, nn.Linear)
        of_point, of_code = first.weight.split((3, self.code), dim=1)
        x = points @ of_point.T + functional.linear(codes, of_code, first.bias)[:, None]
        for layer in others:
            x = layer(functional.leaky_relu(x, SLOPE))
        h = x[..., 0]
        return torch.maximum(torch.minimum(h, LEAK * h + 1 - LEAK), LEAK * h)


class AutoEncoder(nn.Module):
    """A decoder and the encoder of a class's grids; without one, the function of one shape."""

    def __init__(self, decoder: ImNetDecoder, encoder: nn.Module | None) -> None:
        super().__init__()
        self.decoder, self.encoder = decoder, encoder

    def encode(self, grids: Bool[Tensor, "B R R R"]) -> Float[Tensor, "B C"]:
        """The codes of grids."""
        return torch.zeros(len(grids), 0) if self.encoder is None else self.encoder(grids)

    def forward(
        self, points: Float[Tensor, "B N 3"], codes: Float[Tensor, "B C"]
    ) -> Float[Tensor, "B N"]:
        """Occupancy."""
        return self.decoder(points, codes)
