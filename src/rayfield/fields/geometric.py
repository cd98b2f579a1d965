"""Networks that start as a sphere: from a point to the signed value of an implicit surface.

Geometric initialisation: Atzmon & Lipman 2020, arXiv:1911.10414, Theorem 1; the form with softplus
and a skip connection: Gropp et al. 2020, arXiv:2002.10099, Sec. 5.
"""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from rayfield.fields.slopes import Shape, value_gradient_and_units
from rayfield.math.softplus import softplus


class Start(NamedTuple):
    """The last layer at the start: weights of mean `slope` sqrt(pi / inputs) and deviation
    `deviation`, bias -`radius`. `normed`: all matrices are kept as directions and lengths of their
    rows (Salimans & Kingma 2016, arXiv:1602.07868).

    A wide ReLU network is then `slope` |x| - `radius`.
    """

    slope: float = 1.0
    deviation: float = 1e-5
    radius: float = 1.0
    normed: bool = False


SPHERE = Start()


class GeometricMLP(nn.Module):
    """`layers` hidden layers of `width` units, one output, negative inside.

    The units are softplus of sharpness `beta`, or ReLU where that is infinite. The point joins
    again before each of the `skips` (counted from 0); the layer before is that much narrower and
    both are divided by sqrt(2). Weights start normal with variance 2 / outputs, biases zero.
    `inputs`: numbers a point is given as; weights of all but the first three start at zero.
    """

    def __init__(
        self,
        width: int,
        layers: int,
        *,
        skips: tuple[int, ...] = (),
        beta: float = 100.0,
        start: Start = SPHERE,
        inputs: int = 3,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.skips, self.beta = frozenset(skips), beta
        self.layers = nn.ModuleList()
        for index in range(layers + 1):
            before = width if index else inputs
            outputs = width - inputs * (index + 1 in self.skips) if index < layers else 1
            layer = nn.Linear(before, outputs, device="meta").to_empty(device="cpu")
            with torch.no_grad():
                layer.weight.normal_(0, math.sqrt(2 / outputs), generator=generator)
                layer.bias.zero_()
                if inputs > 3 and (index == 0 or index in self.skips):
                    layer.weight[:, before - inputs + 3 :].zero_()
            self.layers.append(layer)
        with torch.no_grad():
            mean = start.slope * math.sqrt(math.pi / width)
            layer.weight.normal_(mean, start.deviation, generator=generator)
            layer.bias.fill_(-start.radius)
        if start.normed:
            for linear in list(self.layers):
                weight_norm(linear)

    def forward(self, points: Float[Tensor, "N E"]) -> Float[Tensor, " N"]:
        """Signed values of points."""
        *hidden, last = self.layers
        x = points
        for index, layer in enumerate(hidden):
            if index in self.skips:
                x = torch.cat([x, points], dim=1) / math.sqrt(2)
            x = self._unit(layer(x))
        return last(x)[:, 0]

    def value_and_gradient(
        self, points: Float[Tensor, "N 3"]
    ) -> tuple[Float[Tensor, " N"], Float[Tensor, "N 3"]]:
        """Signed values of points and their gradients there, of which losses can be made."""
        return self.value_gradient_and_units(points)[:2]

    def value_gradient_and_units(
        self, points: Float[Tensor, "N E"]
    ) -> tuple[Float[Tensor, " N"], Float[Tensor, "N E"], Float[Tensor, "N U"]]:
        """Also the units of the last hidden layer, differentiable as the others."""
        layers = [cast(nn.Linear, layer) for layer in self.layers]
        weights, biases = [layer.weight for layer in layers], [layer.bias for layer in layers]
        shape = Shape(self.skips, self.beta)
        return value_gradient_and_units(points, weights, biases, shape=shape)

    def _unit(self, x: Float[Tensor, "N C"]) -> Float[Tensor, "N C"]:
        if math.isinf(self.beta):
            return torch.relu(x)
        return softplus(x, self.beta)


def autograd_value_and_gradient(
    network: GeometricMLP, points: Float[Tensor, "N 3"]
) -> tuple[Float[Tensor, " N"], Float[Tensor, "N 3"]]:
    """The twin of `GeometricMLP.value_and_gradient`: the framework differentiates twice."""
    *hidden, last = network.layers
    with torch.enable_grad():
        points = points.detach().requires_grad_()
        x = points
        for index, layer in enumerate(hidden):
            if index in network.skips:
                x = torch.cat([x, points], dim=1) / math.sqrt(2)
            z = layer(x)
            x = (
                torch.relu(z)
                if math.isinf(network.beta)
                else nn.functional.softplus(z, network.beta)
            )
        value = last(x)[:, 0]
        return value, torch.autograd.grad(value.sum(), points, create_graph=True)[0]
