"""Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional Domains.

Tancik, Srinivasan, Mildenhall et al. 2020, arXiv:2006.10739. A network from coordinates to the
values of one picture, signal or shape, on the mappings of Sec. 6 (`frequencies`): none; basic
(one period over the longest side); positional (powers of two along the axes); Gaussian.

Departures: random batches instead of all pixels at once, a higher rate that decays, weights from
He et al. 2015; pixel centres at half integers; coordinates are divided by the longest side.
Cannot: generalise beyond the data it is given; choose the scale by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from rayfield.core.types import NO_FILE, File, FromData
from rayfield.data.picture import PictureBatch, PictureTraits
from rayfield.data.shape_samples import ShapeTraits
from rayfield.fields.coordinate import (
    ReLUNetwork,
    batch_size,
    field,
    image,
    lr_factor,
    param_groups,
)
from rayfield.math.fourier import axis_frequencies, fourier_features, gaussian_frequencies
from rayfield.objectives.pointwise import Misfit, misfit

# The rest of the contract is that of all coordinate networks.
__all__ = [
    "PRESETS", "Config", "Model", "adapt", "batch_size", "build", "field", "image", "loss",
    "lr_factor", "param_groups",
]  # fmt: skip


@dataclass(frozen=True)
class Config:
    """Sizes and rates. `scale`: periods over the longest side (positional: log2 of the top one), 0:
    what suits the data. `held_out`: learns even rows and columns alone. `mask`: white known."""

    steps: int = 4000
    mapping: Literal["none", "basic", "positional", "gaussian"] = "gaussian"
    scale: float = 0.0
    features: int = 256
    layers: int = 4
    width: int = 256
    batch: int = 1 << 10
    rate: float = 5e-3
    final_rate: float = 0.02
    warmup: int = 20
    misfit: Misfit = "mse"
    held_out: bool = False
    mask: File = NO_FILE
    sizes: FromData[tuple[int, ...]] = (256, 256)
    channels: FromData[int] = 3

    def __post_init__(self) -> None:
        if min(self.layers, self.features, self.width, self.batch) < 1:
            raise ValueError("layers, features, width and batch must be 1 or more")


PRESETS = {
    "default": Config(),
    "paper": Config(
        2000, layers=3, batch=2**40, rate=1e-3, final_rate=1.0, warmup=1, held_out=True
    ),
}


class Model(nn.Module):
    """Frequencies, which are never trained, and the network on their sines and cosines."""

    def __init__(self, cfg: Config, generator: Generator) -> None:
        super().__init__()
        self.frequencies: Tensor
        self.register_buffer("frequencies", frequencies(cfg, generator=generator))
        inputs = 2 * len(self.frequencies) or len(cfg.sizes)
        widths = (inputs, *[cfg.width] * cfg.layers, cfg.channels)
        self.network = ReLUNetwork(*widths, generator=generator)

    def forward(self, points: Float[Tensor, "N D"]) -> Float[Tensor, "N C"]:
        """Values before the sigmoid."""
        if len(self.frequencies):
            points = fourier_features(points, self.frequencies)
        return self.network(points)


def frequencies(cfg: Config, *, generator: Generator) -> Float[Tensor, "M D"]:
    """The frequencies B of a mapping, in periods over the longest side."""
    if cfg.mapping == "none":
        return torch.zeros(0, len(cfg.sizes))
    if cfg.mapping == "basic":
        return torch.eye(len(cfg.sizes))
    if cfg.mapping == "positional":
        return axis_frequencies(cfg.features // len(cfg.sizes), len(cfg.sizes), cfg.scale)
    return gaussian_frequencies(cfg.features, len(cfg.sizes), cfg.scale, generator=generator)


def adapt(cfg: Config, traits: PictureTraits | ShapeTraits) -> Config:
    """Settings that follow from the data: occupancy is learned from logits."""
    kind: Misfit = "bce" if len(traits.sizes) == 3 else cfg.misfit
    cfg = replace(cfg, sizes=traits.sizes, channels=traits.channels, misfit=kind)
    batch = min(cfg.batch, traits.batch(held_out=cfg.held_out))
    return replace(cfg, batch=batch, scale=cfg.scale or usual_scale(cfg))


def usual_scale(cfg: Config) -> float:
    """Gaussian: wide where all samples are known, narrower to guess between them."""
    if cfg.mapping == "gaussian":
        return 3.0 if len(cfg.sizes) == 3 else 10.0 if cfg.held_out else 20.0
    if cfg.mapping == "positional":  # the top frequency has a period of two known samples
        return math.log2(max(cfg.sizes)) - (2 if cfg.held_out else 1)
    return 0.0


def build(cfg: Config, *, generator: Generator) -> Model:
    """The untrained model."""
    return Model(cfg, generator)


def loss(
    model: Model, batch: PictureBatch, cfg: Config, step: int, *, generator: Generator
) -> dict[str, Tensor]:
    """The misfit of a batch, Sec. 5 (squared error) or Sec. 6.1 (cross entropy of occupancy)."""
    return misfit(model(batch.points), batch.values, batch.keep, kind=cfg.misfit)
