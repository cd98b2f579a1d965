"""The decoders of Occupancy Networks (Mescheder et al. 2019, arXiv:1812.03828, Sec. 3 and Fig. 6 of
the supplement): from a point, and the code of an observation, to the logit of being inside.

Residual blocks end in a layer whose weight starts at zero, so a block starts as the identity plus
a constant: its last bias, which starts as everywhere.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn
from torch.nn import functional

from rayfield.math.fourier import fourier_features, gaussian_frequencies


def uniform_linear(
    inputs: int, outputs: int, *, bias: bool = True, generator: Generator | None
) -> nn.Linear:
    """A linear layer; weights and biases start uniform in +-1/sqrt(inputs)."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs, bias=bias)
    bound = 1 / math.sqrt(inputs)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer


class ResidualBlock(nn.Module):
    """ReLU, linear, ReLU, linear; added to the input, by a linear shortcut where sizes differ."""

    def __init__(
        self, inputs: int, outputs: int, *, hidden: int, generator: Generator | None = None
    ) -> None:
        super().__init__()
        self.first = uniform_linear(inputs, hidden, generator=generator)
        self.second = uniform_linear(hidden, outputs, generator=generator)
        nn.init.zeros_(self.second.weight)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            self.shortcut = uniform_linear(inputs, outputs, bias=False, generator=generator)

    def forward(
        self, x: Float[Tensor, "*B J"], common: Float[Tensor, "*C K"] | None = None
    ) -> Float[Tensor, "*B O"]:
        """The block at every row; `common` are further inputs that many rows share.

        As if the common ones were joined to each row, but what they add is computed once.
        """
        if common is None:
            step = self.second(torch.relu(self.first(torch.relu(x))))
            return self.shortcut(x) + step
        own = x.shape[-1]
        hidden = functional.linear(torch.relu(x), self.first.weight[:, :own])
        shared = functional.linear(torch.relu(common), self.first.weight[:, own:], self.first.bias)
        step = self.second(torch.relu(hidden + shared))
        assert isinstance(self.shortcut, nn.Linear)
        bypass = functional.linear(x, self.shortcut.weight[:, :own])
        return bypass + functional.linear(common, self.shortcut.weight[:, own:]) + step


class ResidualDecoder(nn.Module):
    """The logit at points, for one shape: residual blocks without norm.

    `features`: frequencies of a Gaussian Fourier mapping before the network, of deviation `scale`
    in periods over a length of 1; 0: the bare coordinates, as in the paper.
    """

    def __init__(
        self,
        width: int,
        blocks: int,
        *,
        features: int = 0,
        scale: float = 1.0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        self.frequencies: Tensor
        frequencies = torch.zeros(0, 3)
        if features:
            frequencies = gaussian_frequencies(features, 3, scale, generator=generator)
        self.register_buffer("frequencies", frequencies)
        self.input = uniform_linear(2 * features or 3, width, generator=generator)
        self.blocks = nn.ModuleList(
            ResidualBlock(width, width, hidden=width, generator=generator) for _ in range(blocks)
        )
        self.output = uniform_linear(width, 1, generator=generator)

    def forward(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """Logits."""
        x = points
        if len(self.frequencies):
            x = fourier_features(points, self.frequencies)
        x = self.input(x)
        for block in self.blocks:
            x = block(x)
        return self.output(torch.relu(x))[:, 0]


class ConditionalNorm(nn.Module):
    """Batch norm over all points of all shapes, scaled and shifted by linear maps of the codes.

    The maps start at scale 1 and shift 0 whatever the code, which is plain batch norm.
    """

    def __init__(self, width: int, code: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width, affine=False)
        self.scale = nn.utils.skip_init(nn.Linear, code, width)
        self.shift = nn.utils.skip_init(nn.Linear, code, width)
        for layer, start in ((self.scale, 1.0), (self.shift, 0.0)):
            nn.init.zeros_(layer.weight)
            nn.init.constant_(layer.bias, start)

    def forward(
        self, x: Float[Tensor, "B N W"], codes: Float[Tensor, "B C"]
    ) -> Float[Tensor, "B N W"]:
        """Rows normalised per column, in training by the batch, else by what training has met."""
        plain = self.norm(x.flatten(0, 1)).view_as(x)
        return torch.addcmul(self.shift(codes)[:, None], self.scale(codes)[:, None], plain)


class ConditionalBlock(nn.Module):
    """Norm, ReLU, linear, norm, ReLU, linear; added to the input. The last weight starts at 0."""

    def __init__(self, width: int, code: int, *, generator: Generator | None = None) -> None:
        super().__init__()
        self.norms = nn.ModuleList(ConditionalNorm(width, code) for _ in range(2))
        self.first = uniform_linear(width, width, generator=generator)
        self.second = uniform_linear(width, width, generator=generator)
        nn.init.zeros_(self.second.weight)

    def forward(
        self, x: Float[Tensor, "B N W"], codes: Float[Tensor, "B C"]
    ) -> Float[Tensor, "B N W"]:
        """The block at every point of every shape."""
        step = self.first(functional.relu(self.norms[0](x, codes)))
        return x + self.second(functional.relu(self.norms[1](step, codes)))


class ConditionalDecoder(nn.Module):
    """The logit at points of shapes that codes tell apart, by conditional batch norm."""

    def __init__(
        self, width: int, blocks: int, *, code: int, generator: Generator | None = None
    ) -> None:
        super().__init__()
        self.input = uniform_linear(3, width, generator=generator)
        self.blocks = nn.ModuleList(
            ConditionalBlock(width, code, generator=generator) for _ in range(blocks)
        )
        self.norm = ConditionalNorm(width, code)
        self.output = uniform_linear(width, 1, generator=generator)

    def forward(
        self, points: Float[Tensor, "B N 3"], codes: Float[Tensor, "B C"]
    ) -> Float[Tensor, "B N"]:
        """Logits of every shape's points."""
        x = self.input(points)
        for block in self.blocks:
            x = block(x, codes)
        return self.output(functional.relu(self.norm(x, codes)))[..., 0]


class OccupancyNetwork(nn.Module):
    """A decoder, the encoder of what is seen of a class's shapes, and the threshold's logit.

    Without an encoder it is the function of one shape, and codes are empty.
    """

    def __init__(self, decoder: nn.Module, encoder: nn.Module | None, *, threshold: float) -> None:
        super().__init__()
        self.decoder, self.encoder = decoder, encoder
        self.level = math.log(threshold / (1 - threshold))

    def encode(self, seen: Tensor) -> Float[Tensor, "B C"]:
        """The codes of observations."""
        return torch.zeros(len(seen), 0) if self.encoder is None else self.encoder(seen)

    def forward(
        self, points: Float[Tensor, "B N 3"], codes: Float[Tensor, "B C"]
    ) -> Float[Tensor, "B N"]:
        """Logits of being inside."""
        if self.encoder is None:
            return self.decoder(points.flatten(0, 1)).view(points.shape[:2])
        return self.decoder(points, codes)
