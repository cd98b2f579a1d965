"""Instant Neural Graphics Primitives with a Multiresolution Hash Encoding.

Mueller, Evans, Schied, Keller 2022, arXiv:2201.05989. The NeRF of Sec. 5.4: field (`build`),
training on a random background (`loss`), occupancy grid (Appendix E).

Departures: 8 levels of 4 features and tables of 2^17 entries; mean squared error instead of
Huber; rates fall exponentially to a tenth; unbounded scenes are contracted as in mip-NeRF 360
(Barron et al. 2022, eq. 10) instead of cascaded, with its distortion loss (eq. 15) phased in;
cells count as occupied above min(mean density, `sparse` / `step`); no moving average of weights;
in unbounded scenes, gradients fade near the cameras (Philip & Deschaintre 2023) and cells that
fewer than `photos` photos look into are empty.
Cannot: pose refinement, thin semi-transparent media, surfaces (density has no level of its own).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Generator, Tensor, nn

from rayfield.core.types import FromData, RayBatch, Rays, Rendered, SceneTraits
from rayfield.fields.exposure import exposed, log_gains
from rayfield.fields.hashgrid import HashGrid
from rayfield.fields.radiance import RadianceField
from rayfield.render import radiance
from rayfield.render.occupancy import Bar, OccupancyGrid, refresh

SHORTEST = 1e-4  # step through a scene 2 wide


@dataclass(frozen=True)
class Config:
    """Sizes, rates and schedules; lengths in scene units (the subject spans [-1, 1])."""

    steps: int = 2500
    levels: int = 8
    features: int = 4
    entries: int = 1 << 17
    base: int = 16
    finest: int = 1024
    width: int = 64
    rate: float = 3e-2
    mlp_rate: float = 1e-2
    exposure_rate: float = 1e-3
    final_rate: float = 0.1
    warmup: int = 20
    samples: int = 1 << 14  # live samples a step
    step: float = 1 / 256
    coarse_steps: int = 150  # steps are up to 4 times longer until then
    cone: float = 0.0
    cutoff: float = 1e-3  # transmittance at which a training ray ends
    occupancy: int = 128
    first_look: int = 5  # step at which empty cells are first skipped
    decay: float = 0.7
    sparse: float = 0.1
    photos: int = 0  # that must have looked into a cell, for it to stay occupied
    fade: float = 0.0  # distance from the camera within which gradients are smaller
    distortion: float = 0.0
    distortion_from: int = 100
    contracted: FromData[bool] = False
    images: FromData[int] = 1
    exposure: bool = False  # learn a colour gain for each photo

    def __post_init__(self) -> None:
        counts = (self.levels, self.features, self.base, self.width, self.samples, self.occupancy)
        if min(*counts, self.warmup, self.coarse_steps) < 1 or self.finest < self.base:
            raise ValueError(
                "levels, features, base, width, samples, occupancy, warmup and coarse_steps must "
                "be 1 or more, finest at least base"
            )
        if self.occupancy % 8:
            raise ValueError("occupancy must be a multiple of 8")
        if self.step < SHORTEST:
            raise ValueError(f"step must be {SHORTEST} or more")


PRESETS = {"default": Config()}


class Model(nn.Module):
    """A radiance field, its occupancy grid, the photos' exposures, and the rays of a batch."""

    def __init__(self, cfg: Config, generator: Generator) -> None:
        super().__init__()
        grid = HashGrid(
            levels=cfg.levels, features=cfg.features, entries=cfg.entries,
            base=cfg.base, finest=cfg.finest, generator=generator,
        )  # fmt: skip
        self.field = RadianceField(grid, cfg.width, generator=generator)
        self.occupancy = OccupancyGrid(cfg.occupancy, contracted=cfg.contracted)
        self.log_exposure = log_gains(cfg.images if cfg.exposure else 0)
        self.rays: Tensor
        self.register_buffer("rays", torch.tensor(512.0))


def adapt(cfg: Config, traits: SceneTraits) -> Config:
    """Settings that follow from the scene."""
    cfg = replace(cfg, images=traits.images, contracted=not traits.bounded)
    if traits.bounded:
        return cfg
    return replace(
        cfg, step=1 / 128, cone=1 / 64, coarse_steps=600, finest=2048, samples=1 << 15,
        first_look=100, decay=0.95, sparse=0.03, photos=2, fade=1.0, distortion=3e-3,
    )  # fmt: skip


def build(cfg: Config, *, generator: Generator) -> Model:
    """The untrained model."""
    return Model(cfg, generator)


def batch_size(model: Model, cfg: Config) -> int:
    """Rays that give about `cfg.samples` live samples."""
    return int(model.rays)


def param_groups(model: Model, cfg: Config) -> list[dict[str, Any]]:
    """Parameters and their rates."""
    groups = (
        {"params": [model.field.grid.table], "lr": cfg.rate, "sparse": True},
        {"params": list(model.field.matrices()), "lr": cfg.mlp_rate},
        {"params": [model.log_exposure], "lr": cfg.exposure_rate},
    )
    return [group | {"betas": (0.9, 0.99), "eps": 1e-15} for group in groups]


def lr_factor(cfg: Config, step: int, progress: float) -> float:
    """Linear warm-up, then exponential decay to `final_rate`."""
    return min(1.0, (step + 1) / cfg.warmup) * cfg.final_rate**progress


def loss(
    model: Model, batch: RayBatch, cfg: Config, step: int, *, generator: Generator
) -> dict[str, Tensor]:
    """Squared error on a random background per ray, and the distortion of unbounded scenes."""
    _look(model, cfg, step, generator)
    coarse = 1 + 3 * max(0.0, 1 - step / cfg.coarse_steps)
    marching = radiance.Marching(
        cfg.step * coarse, cfg.cone * coarse, cutoff=cfg.cutoff, capacity=cfg.samples * 8,
        fade=cfg.fade,
    )  # fmt: skip
    jitter = torch.rand(len(batch.rgba), generator=generator).to(batch.rgba.device)
    out = radiance.render(
        model.field, model.occupancy, batch.rays, marching=marching, jitter=jitter, observe=True
    )
    used = len(out.opacity)
    rgb, alpha = batch.rgba[:used].split((3, 1), dim=-1)
    background = torch.rand(used, 3, generator=generator).to(rgb.device)
    color = exposed(out.color, model.log_exposure, batch.rays.image[:used])
    color = color + background * (1 - out.opacity[:, None])
    target = rgb * alpha + background * (1 - alpha)
    terms = {"mse": (color - target).square().mean()}
    if cfg.distortion and step >= cfg.distortion_from and out.distortion is not None:
        terms["distortion"] = cfg.distortion * out.distortion.mean()
    wanted = used * cfg.samples / max(int(out.samples.sum()), 1)
    model.rays.copy_((0.5 * (model.rays + wanted)).clamp(64, 1 << 15))
    return terms


def render(
    model: Model, rays: Rays, cfg: Config, *, background: Tensor, generator: Generator | None = None
) -> Rendered:
    """What any number of rays see over a background colour; `generator` is not used."""
    out = radiance.render_all(
        model.field,
        model.occupancy,
        rays,
        marching=radiance.Marching(cfg.step, cfg.cone, cutoff=cfg.cutoff),
    )
    return out._replace(color=out.color + (1 - out.opacity[:, None]) * background)


def density(model: Model) -> Callable[[Tensor], Tensor]:
    """Density of scene points [N, 3], 1/length."""
    field = _unit_density(model)
    return lambda points: field(model.occupancy.unit(points))


def color(model: Model) -> Callable[[Tensor, Tensor], Tensor]:
    """RGB of scene points [N, 3] seen along unit directions [N, 3]."""
    unit, field = model.occupancy.unit, model.field
    return lambda points, directions: field.color(field.geometry(unit(points)), directions)


def _look(model: Model, cfg: Config, step: int, generator: Generator) -> None:
    """Bring the occupancy grid up to date."""
    photos = cfg.photos if step >= cfg.coarse_steps else 0
    refresh(
        model.occupancy, _unit_density(model), step, generator=generator,
        first_look=cfg.first_look, decay=cfg.decay, bar=Bar(cfg.step, cfg.sparse, photos),
    )  # fmt: skip


def _unit_density(model: Model) -> Callable[[Tensor], Tensor]:
    return lambda unit: radiance.density(model.field, unit)
