"""SAL: Sign Agnostic Learning of Shapes from Raw Data.

Atzmon and Lipman 2020, arXiv:1911.10414. |f| is fitted to the distance to raw points (`loss`: eq. 4
with tau(a, b) = ||a| - b|), which does not say where inside is; that it becomes a signed distance
follows from the network's start as a sphere (`build`: Theorem 1). Normals are never used.

Departures: sizes, rates and the steep start (twice Theorem 1's slope) as in the released code; new
samples at every step instead of two of each point drawn once; the big deviation is half of the
longest side, 0.8 here; `laptop` has a smaller network without weight normalisation, a quarter of
the wide samples, and a rate that falls along the budget.
Cannot: keep holes and open surfaces open; codes for classes of shapes; see detail that is finer
than the points are dense.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from rayfield.data.points import CloudTraits, PointBatch
from rayfield.fields.geometric import GeometricMLP
from rayfield.fields.raw_points import ball, batch_size, lr_factor, param_groups, surface
from rayfield.objectives.geometric import unsigned_misfit

# The rest of the contract is that of networks that learn raw points.
__all__ = [
    "PRESETS", "Config", "adapt", "batch_size", "build", "loss", "lr_factor", "param_groups",
    "surface",
]  # fmt: skip


@dataclass(frozen=True)
class Config:
    """Sizes and rates. Around each of `batch` points one sample is drawn with the deviation of its
    50th neighbour's distance, and around a part `wide_share` of them one with `wide`. `skip`: layer
    before which the point joins again, 0: never. `deviation`: of the last layer's start."""

    steps: int = 5000
    layers: int = 5
    width: int = 256
    skip: int = 0
    normed: bool = False
    slope: float = 2.0
    deviation: float = 1e-6
    radius: float = 1.0
    batch: int = 1 << 11
    wide: float = 0.8
    wide_share: float = 0.25
    rate: float = 1e-3
    final_rate: float = 0.02
    warmup: int = 20

    def __post_init__(self) -> None:
        if min(self.layers, self.batch) < 1 or self.width < 4 or self.skip < 0:
            raise ValueError("layers and batch must be 1 or more, width 4 or more, skip 0 or more")
        if not 0 <= self.wide_share <= 1:
            raise ValueError("wide_share must be from 0 to 1")


PRESETS = {
    "laptop": Config(),
    "paper": Config(
        20_000,
        layers=8,
        width=512,
        normed=True,
        batch=1 << 13,
        wide_share=1.0,
        rate=5e-4,
        final_rate=1.0,
        warmup=1,
    ),
}


def adapt(cfg: Config, traits: CloudTraits) -> Config:
    """Nothing follows from the data."""
    return cfg


def build(cfg: Config, *, generator: Generator) -> GeometricMLP:
    """The untrained network: about the distance to a sphere of half the radius, twice over."""
    return ball(cfg, normed=cfg.normed, generator=generator)


def loss(
    model: Any, batch: PointBatch, cfg: Config, step: int, *, generator: Generator
) -> dict[str, Tensor]:
    """How far |f| is from the distance to the data, near it and in wide space."""
    count = len(batch.points)
    wide = round(cfg.wide_share * count)
    noise = torch.randn(count + wide, 3, generator=generator)
    near = batch.points + batch.spread[:, None] * noise[:count]
    places = torch.cat([near, batch.points[:wide] + cfg.wide * noise[count:]])
    return {"distance": unsigned_misfit(model(places), batch.distance(places))}
