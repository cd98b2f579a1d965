"""Networks whose weights another network predicts from a code: one function for each scene.

The hypernetwork of Scene Representation Networks (Sitzmann, Zollhoefer, Wetzstein 2019,
arXiv:1906.01618, Sec. 3.3), with the layers its networks are made of: linear, layer norm, ReLU.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn import functional

PREDICTED = 0.1  # on the Kaiming start of the layers that predict weights

PointFn = Callable[[Float[Tensor, "N I"]], Float[Tensor, "N O"]]


def linear(inputs: int, outputs: int, *, generator: Generator | None) -> nn.Linear:
    """A linear layer: Kaiming-normal weights for ReLU, biases uniform in +-1/sqrt(inputs).

    Biases do not start at zero, for a layer norm over W x alone could not tell x from 2 x.
    """
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
    bound = 1 / math.sqrt(inputs)
    nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    return layer


class NormMLP(nn.Module):
    """Linear, layer norm, ReLU for every width after the first; then linear to `outputs`, if any.

    Layer norms have a learned scale and shift.
    """

    def __init__(
        self, *widths: int, outputs: int | None = None, generator: Generator | None = None
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [linear(before, after, generator=generator), nn.LayerNorm(after), nn.ReLU()]
        if outputs is not None:
            layers.append(linear(widths[-1], outputs, generator=generator))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Float[Tensor, "N I"]) -> Float[Tensor, "N O"]:
        """Apply the layers to a batch of rows."""
        return self.layers(x)


class HyperMLP(nn.Module):
    """Predicts the layers of an MLP from a code: linear, layer norm without affine, ReLU each.

    `widths` lists the predicted MLP's inputs and layers. Each layer has its own predictor: one
    hidden layer as wide as the code, and a linear layer that starts at a tenth of Kaiming's.
    """

    def __init__(self, *widths: int, code: int, generator: Generator | None = None) -> None:
        super().__init__()
        self.shapes = [(after, before) for before, after in pairwise(widths)]
        self.hidden, self.output = nn.ModuleList(), nn.ModuleList()
        for after, before in self.shapes:
            self.hidden.append(NormMLP(code, code, generator=generator))
            output = linear(code, after * before + after, generator=generator)
            output.weight.data.mul_(PREDICTED)
            self.output.append(output)

    def predict(
        self, code: Float[Tensor, " C"]
    ) -> list[tuple[Float[Tensor, "O I"], Float[Tensor, " O"]]]:
        """Weights and biases of every layer for a code."""
        layers = []
        for (after, before), hidden, output in zip(
            self.shapes, self.hidden, self.output, strict=True
        ):
            weight, bias = output(hidden(code[None]))[0].split((after * before, after))
            layers.append((weight.view(after, before), bias))
        return layers

    def conditioned(self, code: Float[Tensor, " C"]) -> PointFn:
        """The predicted MLP of a code, as a function of rows; its weights are predicted once."""
        layers = self.predict(code)

        def field(x: Tensor) -> Tensor:
            for weight, bias in layers:
                x = functional.linear(x, weight, bias)
                x = functional.relu(functional.layer_norm(x, bias.shape))
            return x

        return field
