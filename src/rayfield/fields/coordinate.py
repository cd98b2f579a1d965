"""Coordinate networks: from a point, or features of it, to a value; how they are trained and drawn.

`batch_size` to `image` are the part of a method's contract that all methods on these networks
share, whatever features they give them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from rayfield.core.parts import in_parts
from rayfield.math.lattice import extent_of, lattice

CHUNK = 2**15  # points evaluated at a time, at most

FieldFn = Callable[[Float[Tensor, "N D"]], Float[Tensor, "N C"]]


@runtime_checkable
class Pace(Protocol):
    """What training needs of a method's Config."""

    @property
    def batch(self) -> int:
        """Samples of a batch."""

    @property
    def rate(self) -> float:
        """The highest learning rate."""

    @property
    def final_rate(self) -> float:
        """The last one, as a part of it."""

    @property
    def warmup(self) -> int:
        """Steps until the highest."""


@runtime_checkable
class Settings(Pace, Protocol):
    """What drawing needs beside."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape of the array learned from, without channels."""


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
    values = torch.cat(in_parts(lambda part: field(points[part]), len(points), CHUNK))
    return values.reshape(*sizes, -1)


def batch_size(model: nn.Module, cfg: Pace) -> int:
    """Samples of the next batch."""
    return cfg.batch


def param_groups(model: nn.Module, cfg: Pace) -> list[dict[str, Any]]:
    """All parameters at one rate, with the constants of Adam."""
    params = list(model.parameters())
    return [{"params": params, "lr": cfg.rate, "betas": (0.9, 0.99), "eps": 1e-8}]


def lr_factor(cfg: Pace, step: int, progress: float) -> float:
    """Linear warm-up, then exponential decay to `final_rate`."""
    return min(1.0, (step + 1) / cfg.warmup) * cfg.final_rate**progress


def field(model: nn.Module) -> FieldFn:
    """Values in [0, 1] of points [N, D], coordinates in the order of the array's axes.

    `model` gives them before the sigmoid.
    """
    return lambda points: model(points).sigmoid()


def image(
    model: nn.Module, cfg: Settings, *, size: tuple[int, int] | None = None
) -> Float[Tensor, "H W C"]:
    """The picture at any size (height, width), its own if None; a signal is one row."""
    sizes = cfg.sizes if size is None else size[-len(cfg.sizes) :]
    values = sampled(field(model), sizes, extent=extent_of(cfg.sizes))
    return values if values.ndim == 3 else values[None]
