"""Point optimisation: a cloud of free points fitted to pictures, or to points of a surface.

On photos points are soft discs (3D Gaussian Splatting for Real-Time Radiance Field Rendering,
Kerbl, Kopanas, Leimkuehler, Drettakis 2023, arXiv:2308.04079, Sec. 4: position, size, opacity and
colour of each are learned). On points the Chamfer distance of Fan, Su, Guibas 2017
(arXiv:1612.00603, eq. 1) is minimised.

Departures: round footprints of one radius instead of ellipsoids; colours that do not depend on the
view; a fixed number of points: those that hardly show are put where others are instead of being
split by their gradients; pixels drawn at random out of a few photos a step.
Cannot: captures without alpha; say what is inside; close the holes between points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from rayfield.core.check import UsageError
from rayfield.core.types import PointCloud, RayBatch, Rays, Rendered, SceneTraits
from rayfield.data.points import CloudTraits, PointBatch
from rayfield.fields.free_points import FreePoints
from rayfield.objectives.chamfer import chamfer
from rayfield.objectives.silhouette import soft_iou_loss
from rayfield.render import splat


@dataclass(frozen=True)
class Config:
    """How many points, how they start, the terms and the rates; lengths in scene units."""

    steps: int = 1500
    points: int = 4000
    reach: float = 0.9  # radius of the ball they start in
    radius: float = 0.03
    opacity: float = 0.2
    rays: int = 2048  # pixels, or points of the target, in a batch
    views: int = 4  # photos in a batch
    silhouette: float = 0.1
    dim: float = 0.05  # opacity below which a point is put elsewhere ...
    respawn: int = 100  # ... every so many steps, in the first 70 % of them
    rate: float = 0.004
    size_rate: float = 0.01
    solid_rate: float = 0.05
    shade_rate: float = 0.05
    final_rate: float = 0.1


PRESETS = {"default": Config()}
LEAST = 0.1  # opacity of a point that counts as part of the cloud


def adapt(cfg: Config, traits: SceneTraits | CloudTraits) -> Config:
    """Nothing changes. Raises UsageError for photos without alpha."""
    if isinstance(traits, SceneTraits) and not traits.bounded:
        raise UsageError("points are fitted to a cut-out subject: give photos with alpha")
    return cfg


def build(cfg: Config, *, generator: Generator) -> FreePoints:
    """Grey points all over a ball."""
    return FreePoints(
        cfg.points, reach=cfg.reach, radius=cfg.radius, opacity=cfg.opacity, generator=generator
    )


def batch_size(model: FreePoints, cfg: Config) -> int:
    """Rays, or points of the target, in every batch."""
    return cfg.rays


def param_groups(model: FreePoints, cfg: Config) -> list[dict[str, Any]]:
    """Places, sizes, opacities and colours, each with its rate."""
    rates = (
        (model.places, cfg.rate),
        (model.sizes, cfg.size_rate),
        (model.solid, cfg.solid_rate),
        (model.shade, cfg.shade_rate),
    )
    return [{"params": [p], "lr": rate, "betas": (0.9, 0.99), "eps": 1e-10} for p, rate in rates]


def lr_factor(cfg: Config, step: int, progress: float) -> float:
    """Exponential decay to `final_rate`."""
    return cfg.final_rate**progress


def loss(
    model: FreePoints, batch: RayBatch | PointBatch, cfg: Config, step: int, *, generator: Generator
) -> dict[str, Tensor]:
    """Chamfer distance to points; or of pictures, colours on a random background and soft IoU."""
    if isinstance(batch, PointBatch):
        return {"chamfer": chamfer(model.places, batch.points)}
    if step and step % cfg.respawn == 0 and step < 0.7 * cfg.steps:
        model.respawn(least=cfg.dim, fewest=cfg.points // 50, generator=generator)
    rgb, alpha = batch.rgba[:, :3], batch.rgba[:, 3]
    background = torch.rand(len(rgb), 3, generator=generator).to(rgb)
    seen = _drawn(model, batch.rays, background)
    target = rgb * alpha[:, None] + background * (1 - alpha[:, None])
    return {
        "mse": (seen.color - target).square().mean(),
        "silhouette": cfg.silhouette * soft_iou_loss(seen.opacity, alpha),
    }


def render(
    model: FreePoints,
    rays: Rays,
    cfg: Config,
    *,
    background: Tensor,
    generator: Generator | None = None,
) -> Rendered:
    """What any number of rays see over a background colour; `generator` is not used."""
    return _drawn(model, rays, background[None])


def cloud(model: FreePoints) -> tuple[PointCloud, Tensor]:
    """The points that show, in the scene's frame, and their RGB as bytes."""
    return model.cloud(least=LEAST)


def _drawn(model: FreePoints, rays: Rays, background: Tensor) -> Rendered:
    return splat.render(
        model.places,
        model.radii(),
        model.opacities(),
        colors=model.colors(),
        rays=rays,
        background=background,
    )
