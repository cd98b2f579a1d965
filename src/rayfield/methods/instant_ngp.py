"""Instant Neural Graphics Primitives with a Multiresolution Hash Encoding.

Mueller, Evans, Schied, Keller 2022, arXiv:2201.05989.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Generator, Tensor, nn

from rayfield.core.types import RayBatch, Rays, Rendered, SceneTraits
from rayfield.fields.hashgrid import HashGrid
from rayfield.fields.radiance import RadianceField
from rayfield.render import radiance
from rayfield.render.occupancy import OccupancyGrid


@dataclass(frozen=True)
class Config:
    """Sizes, rates and schedules; lengths in scene units (the subject spans [-1, 1])."""

    steps: int = 6000
    levels: int = 8
    features: int = 4
    entries: int = 1 << 17
    base: int = 16
    finest: int = 1024
    width: int = 64
    rate: float = 3e-2
    mlp_rate: float = 1e-2
    final_rate: float = 0.1
    warmup: int = 20
    samples: int = 1 << 14
    step: float = 1 / 256
    coarse_steps: int = 150
    first_levels: int = 8
    level_steps: int = 50
    cone: float = 0.0
    cutoff: float = 1e-3
    occupancy: int = 128
    decay: float = 0.7
    sparse: float = 0.1
    distortion: float = 0.0
    contracted: bool = False
    alpha: bool = True
    images: int = 0
    exposure: bool = False


class Model(nn.Module):
    """A radiance field, its occupancy grid, and the ray count that fills a batch."""

    def __init__(self, cfg: Config, generator: Generator) -> None:
        super().__init__()
        grid = HashGrid(
            levels=cfg.levels,
            features=cfg.features,
            entries=cfg.entries,
            base=cfg.base,
            finest=cfg.finest,
            generator=generator,
        )
        self.field = RadianceField(grid, cfg.width, generator=generator)
        self.occupancy = OccupancyGrid(cfg.occupancy, contracted=cfg.contracted)
        self.rays: Tensor
        self.register_buffer("rays", torch.tensor(512.0))
        self.log_exposure = nn.Parameter(torch.zeros(max(cfg.images, 1), 3))


def adapt(cfg: Config, traits: SceneTraits) -> Config:
    """Settings that follow from the scene."""
    cfg = replace(cfg, alpha=traits.alpha, images=traits.images, contracted=not traits.bounded)
    if traits.bounded:
        return cfg
    return replace(cfg, cone=1 / 128, distortion=1e-2, finest=2048, step=1 / 256)


def build(cfg: Config, *, generator: Generator) -> Model:
    """The untrained model."""
    return Model(cfg, generator)


def rays_per_step(model: Model, cfg: Config) -> int:
    """Rays that give about `cfg.samples` live samples."""
    return int(model.rays)


def param_groups(model: Model, cfg: Config) -> list[dict[str, Any]]:
    """Parameters and their rates."""
    shared = {"betas": (0.9, 0.99), "eps": 1e-15}
    groups = [
        {"params": [model.field.grid.table], "lr": cfg.rate, **shared},
        {"params": list(model.field.matrices()), "lr": cfg.mlp_rate, **shared},
    ]
    return groups


def lr_factor(cfg: Config, step: int, progress: float) -> float:
    """Linear warm-up, then exponential decay to `final_rate`."""
    return min(1.0, (step + 1) / cfg.warmup) * cfg.final_rate**progress


def _marching(cfg: Config, coarse: float = 1.0) -> radiance.Marching:
    return radiance.Marching(cfg.step * coarse, cfg.cone * coarse, cutoff=cfg.cutoff)


def loss(
    model: Model, batch: RayBatch, cfg: Config, step: int, *, generator: Generator
) -> dict[str, Tensor]:
    """Mean squared error on a random background."""
    rays = batch.rays
    jitter = torch.rand(len(rays.near), generator=generator)
    model.field.grid.active = min(cfg.levels, cfg.first_levels + step // cfg.level_steps)
    coarse = 1 + 3 * max(0.0, 1 - step / cfg.coarse_steps)
    marching = replace(_marching(cfg, coarse), capacity=cfg.samples * 8)
    out = radiance.render(model.field, model.occupancy, rays, marching=marching, jitter=jitter, observe=True)
    used = len(out.opacity)
    background = torch.rand(used, 3, generator=generator)
    rgb, alpha = batch.rgba[:used, :3], batch.rgba[:used, 3:]
    target = rgb * alpha + background * (1 - alpha)
    color = out.color + background * (1 - out.opacity[:, None])
    terms = {"mse": (color - target).square().mean()}
    if cfg.distortion:
        terms["distortion"] = cfg.distortion * out.distortion.mean()
    _steer(model, cfg, used, int(out.samples.sum()))
    _update_occupancy(model, cfg, step, generator)
    return terms


def _steer(model: Model, cfg: Config, used: int, live: int) -> None:
    wanted = used * cfg.samples / max(live, 1)
    model.rays.copy_(torch.clamp(0.5 * model.rays + 0.5 * wanted, 64, 1 << 15))


def _update_occupancy(model: Model, cfg: Config, step: int, generator: Generator) -> None:
    grid = model.occupancy
    total = grid.side**3
    density = lambda unit: radiance.density(model.field, unit)  # noqa: E731
    if step == 4:
        cells = torch.arange(total)
    elif step and step % 16 == 0:
        n = total // 64
        occupied = grid.occupied().nonzero()[:, 0]
        some = torch.randint(len(occupied), (n,), generator=generator)
        cells = torch.cat([torch.randint(total, (n,), generator=generator), occupied[some]])
    else:
        return
    grid.update(density, cells, decay=cfg.decay, generator=generator)
    grid.threshold(cfg.step, cfg.sparse)


def render(
    model: Model,
    rays: Rays,
    cfg: Config,
    *,
    background: Tensor,
    generator: Generator | None = None,
) -> Rendered:
    """What the rays see."""
    marching = replace(_marching(cfg), cutoff=1e-4)
    parts, first = [], 0
    while first < len(rays.near):
        block = Rays(*(x[first : first + 8192] for x in rays))
        part = radiance.render(model.field, model.occupancy, block, marching=marching)
        first += len(part.opacity)
        parts.append(part)
    out = Rendered(*(torch.cat(x) for x in zip(*parts, strict=True)))
    return out._replace(color=out.color + (1 - out.opacity[:, None]) * background)
