"""Controlling Neural Level Sets: a surface from raw points, fitted by moving its zero set.

Atzmon, Haim, Yariv, Israelov, Maron, Lipman 2019, arXiv:1905.11911. Points of the zero set are
found by Newton's method, made functions of the parameters by a sample network (Sec. 3), and drawn
to the data; elsewhere |F| is fitted to the distance to the data, which knows no sign (`loss`: Sec.
4, surface reconstruction, with the released code's weights and samples).

Departures: the slope of the start, the deviations and rates are the released code's, for data in a
box of half side 1, here 0.8; the point joins again at one layer; samples of the zero set that
Newton's method has not brought there are left out; `laptop` has a smaller network, fewer Newton
steps, and a rate that falls along the budget.
Cannot: keep holes and open surfaces open; curves in space; the paper's adversarial margins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from rayfield.data.points import CloudTraits, PointBatch
from rayfield.fields.geometric import GeometricMLP
from rayfield.fields.raw_points import ball, batch_size, lr_factor, param_groups, surface
from rayfield.math.level_sets import newton_projection, sample_network
from rayfield.objectives.geometric import on_surface, unsigned_misfit

# The rest of the contract is that of networks that learn raw points.
__all__ = [
    "PRESETS", "Config", "adapt", "batch_size", "build", "loss", "lr_factor", "param_groups",
    "surface",
]  # fmt: skip
UNIFORM = 5  # one sample of the zero set in so many starts anywhere, the others near the data
BOX = 1.1  # half side of where "anywhere" is


@dataclass(frozen=True)
class Config:
    """Sizes, weights and rates. Of `batch` points, half give samples of the zero set, which start
    off the data by `start`; around the others |F| is fitted, at deviations `near` and `far`.
    `weight`: of |F| at the data. `newton`: steps, and `tolerance` of |F|."""

    steps: int = 3000
    layers: int = 5
    width: int = 256
    skip: int = 3
    slope: float = 2.0
    deviation: float = 1e-4
    radius: float = 1.0
    batch: int = 1 << 11
    weight: float = 3.0
    start: float = 0.08
    near: float = 0.01
    far: float = 0.2
    newton: int = 4
    tolerance: float = 1e-3
    rate: float = 1e-3
    final_rate: float = 0.02
    warmup: int = 20

    def __post_init__(self) -> None:
        if min(self.layers, self.newton) < 1 or self.width < 4 or self.batch < 4:
            raise ValueError("layers and newton must be 1 or more, width and batch 4 or more")


PRESETS = {
    "laptop": Config(),
    "paper": Config(
        100_000,
        layers=8,
        width=512,
        skip=4,
        batch=1 << 14,
        newton=10,
        tolerance=1e-5,
        rate=1e-4,
        final_rate=1.0,
        warmup=1,
    ),
}


def adapt(cfg: Config, traits: CloudTraits) -> Config:
    """Nothing follows from the data."""
    return cfg


def build(cfg: Config, *, generator: Generator) -> GeometricMLP:
    """The untrained network: about the distance to a sphere of half the radius, twice over."""
    return ball(cfg, generator=generator)


def loss(
    model: Any, batch: PointBatch, cfg: Config, step: int, *, generator: Generator
) -> dict[str, Tensor]:
    """The zero set's distance to the data, ||F| - distance| around it, and |F| at the data."""
    half = len(batch.points) // 2
    noise = torch.randn(len(batch.points), 3, generator=generator)
    starts = batch.points[:half] + cfg.start * noise[:half]
    anywhere = BOX * (2 * torch.rand(half // UNIFORM, 3, generator=generator) - 1)
    starts = torch.cat([starts[len(anywhere) :], anywhere])
    places = batch.points[half:] + noise[half:] * _deviations(len(noise) - half, cfg)
    found = newton_projection(
        model.value_and_gradient, starts, tolerance=cfg.tolerance, iterations=cfg.newton
    )
    points, gradients = found.points[found.reached], found.gradients[found.reached]
    value = model(torch.cat([points, places, batch.points]))
    on, around, data = value.split([len(points), len(places), len(batch.points)])
    moved = sample_network(points, on, gradients)
    misfit = unsigned_misfit(around, batch.distance(places))
    zero_set = batch.distance(moved).sum() / max(1, len(points))
    return {
        "zero_set": zero_set,
        "distance": misfit,
        "data": cfg.weight * on_surface(data),
    }


def _deviations(count: int, cfg: Config) -> Float[Tensor, "N 1"]:
    """Near and far in turn."""
    deviations = torch.full((count, 1), cfg.near)
    deviations[::2] = cfg.far
    return deviations
