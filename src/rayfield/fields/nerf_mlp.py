"""The network of NeRF: density from position, colour from position and direction of view.

Mildenhall et al. 2020, arXiv:2003.08934, Sec. 5.1 and Fig. 7, as the released code has it: one
layer of 128 units on the view branch (the figure's text gives four).

Where ReLU leaves no density, a point adds nothing to any colour or gradient. `NerfMLP.live` keeps
for training only what the other points need; `NerfMLP.geometry` is its readable twin.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn
from torch.nn.functional import linear

from rayfield.math.fourier import positional_encoding

BLOCK = 1 << 13  # points whose activations are held at a time


class Live(NamedTuple):
    """Density of all points, and which have any, with the features that colour is made of."""

    sigma: Float[Tensor, " S"]
    rows: Int[Tensor, " L"]
    features: Float[Tensor, "L F"]


def glorot_linear(inputs: int, outputs: int, generator: Generator | None) -> nn.Linear:
    """A linear layer with Glorot-uniform weights and zero bias (Glorot & Bengio 2010)."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    bound = math.sqrt(6 / (inputs + outputs))
    with torch.no_grad():
        layer.weight.copy_(torch.rand(outputs, inputs, generator=generator) * 2 * bound - bound)
        layer.bias.zero_()
    return layer


class NerfMLP(nn.Module):
    """A trunk of ReLU layers on the encoded position, a density head, and a colour branch.

    `skip`: after this layer of the trunk the encoded position joins again. `bands` and
    `direction_bands`: of the positional encoding (0: the coordinates alone). Without `views`
    colour is one linear layer on the trunk, whatever the direction.
    """

    def __init__(
        self,
        *,
        width: int = 256,
        depth: int = 8,
        skip: int = 4,
        bands: int = 10,
        direction_bands: int = 4,
        views: bool = True,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.bands, self.direction_bands, self.skip = bands, direction_bands, skip
        encoded, viewed = 3 + 6 * bands, 3 + 6 * direction_bands
        sizes = [encoded] + [width + encoded * (i == skip) for i in range(depth - 1)]
        self.trunk = nn.ModuleList(glorot_linear(size, width, generator) for size in sizes)
        self.density_head = glorot_linear(width, 1, generator)
        half = width // 2
        self.bottleneck = glorot_linear(width, width, generator) if views else None
        self.view_layer = glorot_linear(width + viewed, half, generator) if views else None
        self.color_head = glorot_linear(half if views else width, 3, generator)

    def geometry(
        self, points: Float[Tensor, "S 3"]
    ) -> tuple[Float[Tensor, " S"], Float[Tensor, "S F"]]:
        """Density before its ReLU, and features, of every point; differentiable in all."""
        h = encoded = positional_encoding(points, self.bands)
        for i, layer in enumerate(self.trunk):
            h = torch.relu(layer(h))
            if i == self.skip and i + 1 < len(self.trunk):
                h = torch.cat([encoded, h], dim=-1)
        return self.density_head(h)[:, 0], h

    def live(
        self,
        points: Float[Tensor, "S 3"],
        *,
        noise: float = 0.0,
        generator: Generator | None = None,
    ) -> Live:
        """Density relu(raw + noise) and the features where it is above 0.

        `noise` is the standard deviation of what is added with a generator. The same values and
        gradients of the parameters as `geometry` gives; none of the points.
        """
        drawn = None
        if noise and generator is not None:
            drawn = noise * torch.randn(len(points), generator=generator).to(points)
        layers = [*self.trunk, self.density_head]
        parameters = [p for layer in layers for p in (layer.weight, layer.bias)]
        return Live(*_Live.apply(points, drawn, (self.bands, self.skip), *parameters))

    def color(
        self,
        features: Float[Tensor, "S F"],
        ray: Int[Tensor, " S"],
        *,
        directions: Float[Tensor, "R 3"],
    ) -> Float[Tensor, "S 3"]:
        """RGB in [0, 1] of points seen along the unit direction of their ray."""
        if self.bottleneck is None or self.view_layer is None:
            return torch.sigmoid(self.color_head(features))
        # the encoded direction is the same all along a ray: its part of the product is, too
        split = features.shape[1]
        viewed = positional_encoding(directions, self.direction_bands)
        along, across = self.view_layer.weight.split((split, viewed.shape[1]), dim=1)
        h = linear(self.bottleneck(features), along)
        h = h + linear(viewed, across, self.view_layer.bias).index_select(0, ray)
        return torch.sigmoid(self.color_head(torch.relu_(h)))


class _Live(torch.autograd.Function):
    """`NerfMLP.live` in blocks that stay in cache, keeping every layer's input at live points."""

    @staticmethod
    def forward(
        ctx: Any, points: Tensor, noise: Tensor | None, *rest: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        (bands, skip), *parameters = rest
        sigma, rows, kept = [], [], []
        for first in range(0, max(len(points), 1), BLOCK):
            encoded = positional_encoding(points[first : first + BLOCK], bands)
            *inputs, raw = _forward(encoded, skip, parameters)
            if noise is not None:
                raw = raw + noise[first : first + BLOCK, None]
            live = (raw[:, 0] > 0).nonzero()[:, 0]
            if len(live) < len(raw):
                inputs = [x.index_select(0, live) for x in inputs]
            sigma.append(torch.relu_(raw[:, 0]))
            rows.append(live + first)
            kept.append(inputs)
        found = torch.cat(rows)
        ctx.mark_non_differentiable(found)
        ctx.blocks = len(kept)
        ctx.save_for_backward(found, *parameters, *(x for inputs in kept for x in inputs))
        return torch.cat(sigma), found, torch.cat([inputs[-1] for inputs in kept])

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> Any:
        d_sigma, _, d_features = outputs
        rows, *saved = ctx.saved_tensors
        depth = len(saved) // (ctx.blocks + 2)  # for each layer weight, bias, and inputs
        parameters, kept = saved[: 2 * depth], saved[2 * depth :]
        gradients = [torch.zeros_like(p) for p in parameters]
        d_raw = d_sigma.index_select(0, rows)[:, None]
        first = 0
        for block in range(ctx.blocks):
            inputs = kept[block * depth : (block + 1) * depth]
            part = slice(first, first + len(inputs[0]))
            _backward(inputs, parameters, gradients, d_raw[part], d_features[part])
            first = part.stop
        return None, None, None, *gradients


def _forward(encoded: Tensor, skip: int, parameters: list[Tensor]) -> list[Tensor]:
    """The inputs of all layers, and the output of the last."""
    inputs = [encoded]
    last = len(parameters) // 2 - 1
    for i in range(last):
        h = torch.relu_(linear(inputs[-1], parameters[2 * i], parameters[2 * i + 1]))
        joins = i == skip and i + 1 < last
        inputs.append(torch.cat([encoded, h], dim=-1) if joins else h)
    return [*inputs, linear(inputs[-1], parameters[-2], parameters[-1])]


def _backward(
    inputs: list[Tensor],
    parameters: list[Tensor],
    gradients: list[Tensor],
    d_raw: Tensor,
    d_features: Tensor,
) -> None:
    """Add what one block of live points gives to the gradients of weights and biases."""
    d_output = d_raw
    for i in reversed(range(len(inputs))):
        gradients[2 * i].addmm_(d_output.T, inputs[i])
        gradients[2 * i + 1].add_(d_output.sum(0))
        if i == 0:
            return
        width = len(parameters[2 * i - 1])  # what lies before is the encoding, joined again
        d_hidden = d_output @ parameters[2 * i][:, -width:]
        if d_output is d_raw:
            d_hidden += d_features
        d_output = torch.ops.aten.threshold_backward(d_hidden, inputs[i][:, -width:], 0)
