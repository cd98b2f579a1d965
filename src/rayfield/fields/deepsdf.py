"""The decoder of DeepSDF (Park et al. 2019, arXiv:1901.05103, Sec. 5.1 and the released code)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn
from torch.nn import functional

from rayfield.fields.occupancy import uniform_linear

SMALL = 0.1  # on the usual start of the last layer


class NormedLinear(nn.Module):
    """A linear layer with weight normalisation (Salimans & Kingma 2016, arXiv:1602.07868, eq. 2).

    Each row of the weight is `direction` scaled to the length `gain`; at the start the gains are
    the lengths, which changes nothing.
    """

    def __init__(self, inputs: int, outputs: int, *, generator: Generator | None = None) -> None:
        super().__init__()
        plain = uniform_linear(inputs, outputs, generator=generator)
        self.direction, self.bias = plain.weight, plain.bias
        self.gain = nn.Parameter(plain.weight.detach().norm(dim=1))

    def weight(self) -> Float[Tensor, "O I"]:
        """The normalised weight."""
        return self.direction * (self.gain / self.direction.norm(dim=1))[:, None]


class DeepSDFDecoder(nn.Module):
    """Signed distances, as tanh, at points of shapes that codes tell apart.

    `layers` hidden ones of `width`; the input (code and point) joins again half-way, before layer
    `layers` / 2, by so much narrower a layer before it. The part of a layer that sees the code is
    computed once for each shape, not for each of its points. The last layer starts small.
    """

    def __init__(
        self,
        width: int,
        layers: int,
        *,
        code: int,
        dropout: float = 0.0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if layers < 2 or width <= code + 3:
            raise ValueError("a code must be narrower than the layers by 4, which are 2 or more")
        self.code, self.skip, self.dropout = code, layers // 2, dropout
        self.layers = nn.ModuleList()
        for index in range(layers):
            inputs = code + 3 if index == 0 else width
            outputs = width - code - 3 if index == self.skip - 1 else width
            self.layers.append(NormedLinear(inputs, outputs, generator=generator))
        self.output = uniform_linear(width, 1, generator=generator)
        with torch.no_grad():  # nothing must start beyond the clamp of the loss, where it is stuck
            self.output.weight.mul_(SMALL)
            self.output.bias.zero_()

    def forward(
        self,
        points: Float[Tensor, "B N 3"],
        codes: Float[Tensor, "B C"],
        *,
        generator: Generator | None = None,
    ) -> Float[Tensor, "B N"]:
        """Values in (-1, 1), negative inside. Units are dropped out with a generator only."""
        x = points[..., :0]
        for index, layer in enumerate(self.layers):
            assert isinstance(layer, NormedLinear)
            weight = layer.weight()
            if index in (0, self.skip):
                own, of_code, of_point = weight.split((x.shape[-1], self.code, 3), dim=1)
                bias = functional.linear(codes, of_code, layer.bias)[:, None]
                x = x @ own.T + points @ of_point.T + bias
            else:
                x = functional.linear(x, weight, layer.bias)
            x = _dropped(torch.relu(x), self.dropout, generator)
        return torch.tanh(self.output(x)[..., 0])


def _dropped(x: Tensor, share: float, generator: Generator | None) -> Tensor:
    """`x` with that share of its values set to 0 and the others raised to keep the mean."""
    if generator is None or share == 0:
        return x
    kept = torch.rand(x.shape, generator=generator) >= share
    return x * kept / (1 - share)


def new_codes(count: int, size: int, *, generator: Generator) -> nn.Parameter:
    """Codes that start normal with deviation 1 / sqrt(size), so of length about 1."""
    return nn.Parameter(torch.randn(count, size, generator=generator) / math.sqrt(size))


class AutoDecoder(nn.Module):
    """A decoder and the codes of the shapes it learned, whose length is at most 1."""

    def __init__(self, decoder: DeepSDFDecoder, codes: nn.Parameter) -> None:
        super().__init__()
        self.decoder, self.codes = decoder, codes

    def bounded(self, shape: Int[Tensor, " B"]) -> Float[Tensor, "B C"]:
        """The codes of shapes, after longer ones among them were cut to length 1 for good."""
        with torch.no_grad():
            length = self.codes[shape].norm(dim=1, keepdim=True).clamp_min(1)
            self.codes[shape] /= length
        return self.codes[shape]
