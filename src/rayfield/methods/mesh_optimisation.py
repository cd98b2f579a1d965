"""Mesh optimisation: a triangle mesh fitted by gradients of its soft pictures.

Soft Rasterizer: A Differentiable Renderer for Image-based 3D Reasoning, Liu, Li, Chen, Li 2019,
arXiv:1904.01786, draws (`loss` on photos: eq. 1, 2, 4 and 8); Large Steps in Inverse Rendering of
Geometry, Nicolet, Jacobson, Jakob 2021 (ACM TOG 40:6) keeps steps smooth (`build`: eq. 12). On
points of a surface the Chamfer distance (Fan, Su, Guibas 2017, arXiv:1612.00603, eq. 1) is used.

Departures: pixels drawn at random out of a few photos a step instead of whole pictures; softness
is a length at the middle of the scene and shrinks as training goes; a colour for each vertex; Adam
instead of its uniform variant; no flattening term. See also `render/raster.py`.
Cannot: change its faces, so neither holes nor parts that the first mesh has not; captures without
alpha; colours that depend on the view.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from rayfield.core.check import UsageError
from rayfield.core.types import NO_FILE, File, Mesh, RayBatch, Rays, Rendered, SceneTraits
from rayfield.data.points import CloudTraits, PointBatch
from rayfield.fields.free_mesh import FreeMesh
from rayfield.geometry.icosphere import icosphere
from rayfield.geometry.meshio import read_mesh
from rayfield.objectives.chamfer import chamfer
from rayfield.objectives.silhouette import soft_iou_loss
from rayfield.objectives.smoothness import laplacian
from rayfield.render import raster


@dataclass(frozen=True)
class Config:
    """The first mesh, the pictures, the terms and the rates; lengths in scene units."""

    steps: int = 1000
    start: File = NO_FILE  # a mesh in the scene's frame, in [-1, 1]^3; none: a sphere
    subdivisions: int = 4  # of the sphere: 2562 vertices
    radius: float = 0.7
    stiffness: float = 19.0  # of the solve that gives vertices; 0: none
    rays: int = 3072
    views: int = 4  # photos in a batch
    softness: float = 0.02
    final_softness: float = 0.004
    halving: int = 150  # steps in which softness halves
    sharpness: float = 200.0  # of the choice between depths
    silhouette: float = 1.0
    color: float = 1.0
    smoothness: float = 0.01  # of the Laplacian term
    rate: float = 0.02
    shade_rate: float = 0.03
    final_rate: float = 0.1


PRESETS = {"default": Config()}


def adapt(cfg: Config, traits: SceneTraits | CloudTraits) -> Config:
    """Nothing changes. Raises UsageError for photos without alpha."""
    if isinstance(traits, SceneTraits) and not traits.bounded:
        raise UsageError(
            "a mesh is fitted to silhouettes: give photos with a transparent background"
        )
    return cfg


def build(cfg: Config, *, generator: Generator) -> FreeMesh:
    """The first mesh."""
    if cfg.start:
        return FreeMesh(read_mesh(Path(cfg.start)), strength=cfg.stiffness)
    return FreeMesh(icosphere(cfg.subdivisions, radius=cfg.radius), strength=cfg.stiffness)


def batch_size(model: FreeMesh, cfg: Config) -> int:
    """Rays, or points, in every batch."""
    return cfg.rays


def param_groups(model: FreeMesh, cfg: Config) -> list[dict[str, Any]]:
    """Vertices and colours, each with its rate."""
    groups = (
        {"params": [model.latent], "lr": cfg.rate},
        {"params": [model.shade], "lr": cfg.shade_rate},
    )
    return [group | {"betas": (0.9, 0.99), "eps": 1e-8} for group in groups]


def lr_factor(cfg: Config, step: int, progress: float) -> float:
    """Exponential decay to `final_rate`."""
    return cfg.final_rate**progress


def loss(
    model: FreeMesh, batch: RayBatch | PointBatch, cfg: Config, step: int, *, generator: Generator
) -> dict[str, Tensor]:
    """Smoothness, and of photos: soft IoU of silhouettes, squared error of colours on a random
    background; of points: their Chamfer distance to random points of the mesh."""
    if isinstance(batch, PointBatch):
        found = model.sample(len(batch.points), generator=generator)
        stiff = cfg.smoothness * laplacian(model.vertices(), model.edges)
        return {"chamfer": chamfer(found, batch.points), "smoothness": stiff}
    rgb, alpha = batch.rgba[:, :3], batch.rgba[:, 3]
    background = torch.rand(len(rgb), 3, generator=generator).to(rgb)
    vertices = model.vertices()
    seen = raster.render(
        vertices, model.faces, model.colors(), rays=batch.rays,
        softness=max(cfg.final_softness, cfg.softness * 0.5 ** (step / cfg.halving)),
        sharpness=cfg.sharpness, background=background,
    )  # fmt: skip
    target = rgb * alpha[:, None] + background * (1 - alpha[:, None])
    return {
        "mse": cfg.color * (seen.color - target).square().mean(),
        "silhouette": cfg.silhouette * soft_iou_loss(seen.opacity, alpha),
        "smoothness": cfg.smoothness * laplacian(vertices, model.edges),
    }


def render(
    model: FreeMesh,
    rays: Rays,
    cfg: Config,
    *,
    background: Tensor,
    generator: Generator | None = None,
) -> Rendered:
    """What any number of rays see over a background colour; `generator` is not used."""
    return raster.render(
        model.vertices(), model.faces, model.colors(), rays=rays, softness=cfg.final_softness,
        sharpness=cfg.sharpness, background=background[None],
    )  # fmt: skip


def mesh(model: FreeMesh) -> Mesh:
    """The mesh with its colours, in the scene's frame."""
    return model.mesh()
