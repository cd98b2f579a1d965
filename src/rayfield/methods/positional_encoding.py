"""Positional encoding of coordinates, as NeRF has it and as lectures write it.

Mildenhall et al. 2020, arXiv:2003.08934, eq. 4, on one picture, signal or shape: the sines and
cosines of 2^l pi x (`encode`), l = 0 ... bands - 1, of each coordinate, into a ReLU network.

Departures: a coordinate network instead of a radiance field; coordinates span (-1, 1) over the
longest side; as many bands as resolve the samples, unless told. `pi=false` leaves the factor pi
out and `identity=true` passes the coordinates on, as the authors' code does.
Cannot: treat slanted detail as well as detail along the axes (see fourier_features).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

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
from rayfield.math.fourier import positional_encoding
from rayfield.objectives.pointwise import Misfit, misfit

# The rest of the contract is that of all coordinate networks.
__all__ = [
    "PRESETS", "Config", "Model", "adapt", "batch_size", "build", "field", "image", "loss",
    "lr_factor", "param_groups",
]  # fmt: skip


@dataclass(frozen=True)
class Config:
    """Sizes and rates. `bands` 0: as many as the samples can show.

    `held_out` leaves out all but every second row and column; `mask` is an image file, white where
    the picture is known. The last two are those of the data.
    """

    steps: int = 4000
    bands: int = 0
    pi: bool = True
    identity: bool = False
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
        if min(self.layers, self.width, self.batch) < 1:
            raise ValueError("layers, width and batch must be 1 or more")


PRESETS = {"default": Config(), "code": Config(pi=False, identity=True)}


class Model(nn.Module):
    """The network on the encoding."""

    def __init__(self, cfg: Config, generator: Generator) -> None:
        super().__init__()
        self.cfg = cfg
        inputs = len(cfg.sizes) * (2 * cfg.bands + int(cfg.identity))
        widths = (inputs, *[cfg.width] * cfg.layers, cfg.channels)
        self.network = ReLUNetwork(*widths, generator=generator)

    def forward(self, points: Float[Tensor, "N D"]) -> Float[Tensor, "N C"]:
        """Values before the sigmoid."""
        return self.network(encode(points, self.cfg))


def encode(points: Float[Tensor, "N D"], cfg: Config) -> Float[Tensor, "N F"]:
    """Eq. 4 of points in [0, 1), moved to [-1, 1)."""
    return positional_encoding(2 * points - 1, cfg.bands, identity=cfg.identity, with_pi=cfg.pi)


def adapt(cfg: Config, traits: PictureTraits | ShapeTraits) -> Config:
    """Settings that follow from the data: occupancy is learned from logits."""
    kind: Misfit = "bce" if len(traits.sizes) == 3 else cfg.misfit
    batch = min(cfg.batch, traits.batch(held_out=cfg.held_out))
    cfg = replace(cfg, sizes=traits.sizes, channels=traits.channels, misfit=kind, batch=batch)
    return replace(cfg, bands=cfg.bands or usual_bands(cfg))


def usual_bands(cfg: Config) -> int:
    """The last band has a period of two known samples; fewer for shapes, which are smooth."""
    if len(cfg.sizes) == 3:
        return 4
    return max(1, math.floor(math.log2(max(cfg.sizes))) - int(cfg.held_out))


def build(cfg: Config, *, generator: Generator) -> Model:
    """The untrained model."""
    return Model(cfg, generator)


def loss(
    model: Model, batch: PictureBatch, cfg: Config, step: int, *, generator: Generator
) -> dict[str, Tensor]:
    """The misfit of a batch: squared error, or cross entropy of occupancy."""
    return misfit(model(batch.points), batch.values, batch.keep, kind=cfg.misfit)
