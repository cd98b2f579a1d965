"""A surface with colours as published: two deep networks on positional encodings.

Yariv et al. 2020 (IDR), arXiv:2003.09852, and NeuS, VolSDF and UNISURF after it: geometry is a
softplus network that starts as a sphere (`fields.geometric`), weights kept by direction and length,
with a code of its last units; colour a ReLU network of point, direction, normal and code.
Departures: the code is a layer of its own on the last hidden units, which is the same function; the
last bias makes the first zero set's mean radius the one asked for (it is 0.36 to 0.65 for 0.5 else,
by the seed).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import cast

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from rayfield.fields.geometric import GeometricMLP, Start
from rayfield.fields.sdf_grid import Distance
from rayfield.math.fourier import positional_encoding

BANDS, VIEW_BANDS = 6, 4  # of the encodings of points and of directions
CODE = 256  # numbers of a code at most
SIDE = 2.0  # of the cube [-1, 1]^3, in which the networks see the unit cube
NEARBY = 1 / 128  # how far apart points are that are neighbours, in unit cubes


class SurfaceNetwork(nn.Module):
    """As `surface.SurfaceField`: points lie in the unit cube, whose lengths are the distance's.

    `layers` hidden layers of `width` units for geometry, the point joining again before the middle
    one, and `color_layers` for colour; `radius` of the sphere at the start.
    """

    def __init__(
        self,
        width: int,
        layers: int,
        color_layers: int,
        *,
        radius: float,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        start = Start(radius=SIDE * radius, normed=True)
        encoded = 3 * (1 + 2 * BANDS)
        if min(layers, color_layers) < 1 or width <= encoded:
            raise ValueError(
                f"layers and color_layers must be 1 or more, and width more than {encoded}, the "
                f"numbers that join again (found {layers}, {color_layers}, {width})"
            )
        self.geometry = GeometricMLP(
            width, layers, skips=(max(1, layers // 2),), start=start, inputs=encoded,
            generator=generator,
        )  # fmt: skip
        self._begin_at(radius)
        code = min(width, CODE)
        self.code = _linear(width, code, generator)
        sizes = [3 + 3 * (1 + 2 * VIEW_BANDS) + 3 + code, *[width] * color_layers, 3]
        self.color_layers = nn.ModuleList(_linear(a, b, generator) for a, b in pairwise(sizes))

    @torch.no_grad()
    def _begin_at(self, radius: float) -> None:
        """Shift the value so that it is 0 on average on a sphere about the middle."""
        away = torch.randn(512, 3, generator=torch.Generator().manual_seed(0))
        value = self.distance(0.5 + radius * torch.nn.functional.normalize(away))
        cast(nn.Linear, self.geometry.layers[-1]).bias.sub_(SIDE * value.mean())

    def forward(self, points: Float[Tensor, "N 3"]) -> Distance:
        """Distance, its gradient, and of each point its code and itself in [-1, 1]^3."""
        x = (points.detach() - 0.5) * SIDE
        encoded = positional_encoding(x, BANDS)
        value, pull, units = self.geometry.value_gradient_and_units(encoded)
        gradient = (pull * _slopes(x)).unflatten(-1, (-1, 3)).sum(-2)
        return Distance(value / SIDE, gradient, torch.cat([self.code(units), x], -1))

    @torch.no_grad()
    def distance(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """The value alone, without gradients."""
        return self.geometry(positional_encoding((points - 0.5) * SIDE, BANDS)) / SIDE

    def color(self, found: Distance, directions: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
        """RGB in [0, 1] of points that `forward` found, seen along directions."""
        code, x = found.features[:, :-3], found.features[:, -3:]
        view = positional_encoding(directions, VIEW_BANDS)
        h = torch.cat([x, view, found.gradient, code], -1)
        *hidden, last = self.color_layers
        for layer in hidden:
            h = torch.relu(layer(h))
        return torch.sigmoid(last(h))

    def tables(self) -> list[nn.Parameter]:
        """There are none."""
        return []

    def matrices(self) -> list[nn.Parameter]:
        """All parameters."""
        return list(self.parameters())

    def activate(self, levels: int) -> None:
        """There are no levels."""

    def nearby(self) -> float:
        """A distance at which points are neighbours."""
        return NEARBY


def _linear(inputs: int, outputs: int, generator: Generator | None) -> nn.Module:
    """A layer with torch's usual start, drawn from `generator`, by direction and length."""
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    bound = 1 / math.sqrt(inputs)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-bound, bound, generator=generator)
    return weight_norm(layer)


def _slopes(x: Float[Tensor, "N 3"]) -> Float[Tensor, "N E"]:
    """Derivatives of the encoding's values, each by the one coordinate it depends on."""
    found = [torch.ones_like(x)]
    for band in range(BANDS):
        phase = x * 2**band
        found += [2**band * torch.cos(phase), -(2**band) * torch.sin(phase)]
    return torch.cat(found, -1)
