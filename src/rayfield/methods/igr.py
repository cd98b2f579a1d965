"""Implicit Geometric Regularization for Learning Shapes: a signed distance from raw points.

Gropp, Yariv, Haim, Atzmon, Lipman 2020, arXiv:2002.10099. The network is zero at the points, and
its gradient is of length one everywhere (`loss`: Sec. 3, eq. 1-3; eikonal points: Sec. 5), which
among all functions that vanish there picks a smooth signed distance (Sec. 4).

Departures: |f| at the points instead of its square and |gradient - normal| unsquared, as in the
released code; the points lie in a cube of side 1.6, which they do not in the paper, and the
eikonal points reach beyond it by `reach`; `laptop` has a smaller network, and a rate that falls
along the budget. `fast` is a hash grid (`fields.sdf_grid`) with further terms
(`objectives.surface_fit`), and estimates noise and missing normals from the points.
Cannot: keep holes and open surfaces open; thin sheets; codes for classes of shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from rayfield.data.points import CloudTraits, PointBatch
from rayfield.fields.geometric import GeometricMLP, Start
from rayfield.fields.hashgrid import HashGrid
from rayfield.fields.sdf_grid import SDFGrid
from rayfield.objectives.geometric import eikonal, normal_misfit, on_surface
from rayfield.objectives.surface_fit import Fit, fit_terms

SurfaceFn = Callable[[Float[Tensor, "N 3"]], Float[Tensor, " N"]]


@dataclass(frozen=True)
class Config:
    """Sizes, weights and rates. `grid`: a hash grid of `levels` up to `finest`, else a network of
    `layers`, `skip`, `beta` and `reach` (eikonal points are spread over [-reach, reach]^3).
    `normals`: use those of the data, if it has some, with weight `tau`. `halved`: steps after
    which the rate is halved, down to a thousandth; 0: it falls to `final_rate` along the budget."""

    steps: int = 900
    grid: bool = True
    levels: int = 8
    finest: int = 128
    entries: int = 1 << 17
    layers: int = 5
    width: int = 64
    skip: int = 3
    beta: float = 100.0
    radius: float = 0.6
    batch: int = 1 << 12
    eikonal: float = 0.1
    normals: bool = True
    tau: float = 1.0
    reach: float = 1.1
    rate: float = 1e-2
    halved: int = 0
    final_rate: float = 0.05
    warmup: int = 20

    def __post_init__(self) -> None:
        if min(self.layers, self.levels, self.batch) < 1 or self.width < 4:
            raise ValueError("layers, levels and batch must be 1 or more, width 4 or more")


_LAPTOP = Config(4000, grid=False, width=192, batch=1 << 10, rate=2e-3, final_rate=0.02)
_PAPER = replace(_LAPTOP, steps=100_000, layers=8, width=512, skip=4, radius=1.0, batch=1 << 14)
PRESETS = {
    "fast": Config(),
    "laptop": _LAPTOP,
    "paper": replace(_PAPER, reach=1.8, rate=5e-3, halved=2000, warmup=1),
}


def adapt(cfg: Config, traits: CloudTraits) -> Config:
    """Settings that follow from the data: normals are used where there are some."""
    return replace(cfg, normals=cfg.normals and traits.has_normals)


def build(cfg: Config, *, generator: Generator) -> GeometricMLP | SDFGrid:
    """The untrained field: about the distance to a sphere."""
    if cfg.grid:
        grid = HashGrid(
            levels=cfg.levels, features=4, entries=cfg.entries, base=min(8, cfg.finest),
            finest=cfg.finest, generator=generator,
        )  # fmt: skip
        return SDFGrid(grid, cfg.width, radius=0.5 * cfg.radius, generator=generator)
    start = Start(radius=cfg.radius)
    return GeometricMLP(
        cfg.width, cfg.layers, skips=(cfg.skip,), beta=cfg.beta, start=start, generator=generator
    )


def batch_size(model: nn.Module, cfg: Config) -> int:
    """Data points of the next batch."""
    return cfg.batch


def param_groups(model: nn.Module, cfg: Config) -> list[dict[str, Any]]:
    """Parameters and their rates."""
    if isinstance(model, SDFGrid):
        table = {"params": [model.grid.table], "lr": cfg.rate, "sparse": True}
        matrices = {"params": list(model.matrices()), "lr": 0.5 * cfg.rate}
        return [group | {"betas": (0.9, 0.99), "eps": 1e-15} for group in (table, matrices)]
    params = list(model.parameters())
    return [{"params": params, "lr": cfg.rate, "betas": (0.9, 0.999), "eps": 1e-8}]


def lr_factor(cfg: Config, step: int, progress: float) -> float:
    """Halved every `halved` steps down to a thousandth, or along the budget; a linear warm-up."""
    if cfg.halved:
        return max(0.5 ** (step // cfg.halved), 1e-3)
    return min(1.0, (step + 1) / cfg.warmup) * cfg.final_rate**progress


def loss(
    model: Any, batch: PointBatch, cfg: Config, step: int, *, generator: Generator
) -> dict[str, Tensor]:
    """|f| and the misfit of the normals at the data, the eikonal term around and everywhere."""
    if isinstance(model, SDFGrid):
        assert batch.guide is not None
        guide = batch.guide(cfg.normals and batch.oriented)
        fit, unit = Fit(guide, cfg.tau, cfg.eikonal, cfg.steps // 2), 0.5 * (batch.points + 1)
        normals = guide.normals[batch.chosen]
        return fit_terms(model, unit, normals, fit=fit, step=step, generator=generator)
    count = len(batch.points)
    noise = torch.randn(count, 3, generator=generator)
    near = batch.points + batch.spread[:, None] * noise
    everywhere = (2 * torch.rand(max(1, count // 8), 3, generator=generator) - 1) * cfg.reach
    free = torch.cat([near, everywhere])
    if not (cfg.normals and batch.oriented):
        gradient = model.value_and_gradient(free)[1]
        return {
            "surface": on_surface(model(batch.points)),
            "eikonal": cfg.eikonal * eikonal(gradient),
        }
    value, gradient = model.value_and_gradient(torch.cat([batch.points, free]))
    return {
        "surface": on_surface(value[:count]),
        "normals": cfg.tau * normal_misfit(gradient[:count], batch.normals),
        "eikonal": cfg.eikonal * eikonal(gradient[count:]),
    }


def surface(model: GeometricMLP | SDFGrid) -> SurfaceFn:
    """Signed distances of scene points, about: negative inside, zero on the surface."""
    if isinstance(model, SDFGrid):
        return lambda points: 2 * model.distance(0.5 * (points + 1))
    return lambda points: model(points)
