"""Voxel optimisation: density and colour on the nodes of a lattice, fitted by volume rendering.

Direct Voxel Grid Optimization, Sun, Sun, Chen 2022, arXiv:2111.11215: softplus after
interpolation (Sec. 4, eq. 6), a start that is all but transparent (eq. 9), coarse to fine (Sec. 5).

Departures: colours are those of the lattice, alike from everywhere, instead of a network's; one
lattice that is doubled instead of a coarse and a fine one; total variation on random slabs; skipped
cells are found by the density of their corners; no rates by how often a voxel is seen, no losses on
single samples. On points there is one signed value instead, 0 at the points and of slope 1 along
their normals (Calakli, Taubin 2011, SSD: Smooth Signed Distance Surface Reconstruction, eq. 1).
Cannot: captures without alpha; glossy colours; points without normals; fine detail in little
memory: twice the resolution takes eight times as much.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from rayfield.core.check import UsageError
from rayfield.core.types import RayBatch, Rays, Rendered, SceneTraits
from rayfield.data.points import CloudTraits, PointBatch
from rayfield.fields.radiance_voxels import RadianceVoxels
from rayfield.fields.voxels import Voxels, around
from rayfield.objectives.geometric import along_normals
from rayfield.objectives.smoothness import bending, total_variation
from rayfield.render import packed

LOOK = 16  # steps between looks for empty cells
Model = RadianceVoxels | Voxels
SLAB = 8  # planes of the lattice that total variation looks at


@dataclass(frozen=True)
class Config:
    """The lattice, its doublings, the terms and the rates."""

    steps: int = 1500
    cells: int = 32  # a side, at first
    doublings: int = 2
    doubling: int = 300  # steps before the first; each further one after twice as many
    alpha: float = 1e-3  # opacity of a voxel at the start
    stride: float = 0.75  # of the samples, in cells
    rays: int = 2048
    views: int = 0  # photos in a batch; 0: all, mixed
    variation: float = 1e-4
    first_look: int = 100  # step at which empty cells are first skipped
    sparse: float = 2e-3  # opacity of a cell below which it is empty
    bending: float = 1.0  # of second differences, for points
    radius: float = 0.6  # of the sphere to start from, for points
    target: Literal["photos", "points"] = "photos"  # from the data
    rate: float = 0.3
    signed_rate: float = 0.01  # for points
    final_rate: float = 0.1

    def __post_init__(self) -> None:
        if min(self.rays, self.doubling) < 1 or self.cells < 2 or not 0 < self.alpha < 1:
            raise ValueError("rays and doubling must be 1 or more, cells 2, alpha between 0 and 1")
        if self.stride < 0.01:
            raise ValueError("stride must be 0.01 or more")


PRESETS = {"default": Config()}


def adapt(cfg: Config, traits: SceneTraits | CloudTraits) -> Config:
    """What it is fitted to. Raises UsageError for photos without alpha, points without normals."""
    if isinstance(traits, CloudTraits):
        if not traits.has_normals:
            raise UsageError("voxels need the normals of points: give a mesh, or points with them")
        if cfg.target == "points":
            return cfg
        # a few large cells first: second differences then reach all over the cube in few steps
        coarse = {"cells": max(2, cfg.cells // 4), "doublings": cfg.doublings + 2}
        return replace(cfg, target="points", doubling=max(1, cfg.doubling // 4), **coarse)
    if not traits.bounded:
        raise UsageError("voxels fill a cube: give photos with a transparent background")
    return cfg


def build(cfg: Config, *, generator: Generator) -> Model:
    """A lattice that is grey and all but transparent; for points, the distance to a sphere."""
    if cfg.target == "points":
        return around(Voxels(cfg.cells, cfg.doublings, 1), cfg.radius)
    return RadianceVoxels(cfg.cells, cfg.doublings, alpha=cfg.alpha)


def batch_size(model: Model, cfg: Config) -> int:
    """Rays, or points, in every batch."""
    return cfg.rays


def param_groups(model: Model, cfg: Config) -> list[dict[str, Any]]:
    """All tables; those of other stages have no gradient."""
    signed = isinstance(model, Voxels)
    tables = list(model.tables if isinstance(model, Voxels) else model.voxels.tables)
    rate = cfg.signed_rate if signed else cfg.rate
    return [
        {"params": tables, "lr": rate, "betas": (0.9, 0.99), "eps": 1e-15, "sparse": not signed}
    ]


def lr_factor(cfg: Config, step: int, progress: float) -> float:
    """Exponential decay to `final_rate`."""
    return cfg.final_rate**progress


def loss(
    model: Model, batch: RayBatch | PointBatch, cfg: Config, step: int, *, generator: Generator
) -> dict[str, Tensor]:
    """Of photos: squared error of colours on a random background, total variation of a slab; of
    points: values on both sides of them, second differences everywhere."""
    if isinstance(model, Voxels):
        assert isinstance(batch, PointBatch)
        model.grow(_stage(cfg, step))
        cell = 2 / model.side
        misfit = along_normals(surface(model), batch.points, batch.normals, step=cell)
        return {"distance": misfit, "bending": cfg.bending * bending(model.lattice() / cell)}
    assert isinstance(batch, RayBatch)
    if model.voxels.grow(_stage(cfg, step)) or step % LOOK == 0:
        model.look(cfg.sparse if step >= cfg.first_look else 0.0)
    rgb, alpha = batch.rgba[:, :3], batch.rgba[:, 3:]
    background = torch.rand(len(rgb), 3, generator=generator).to(rgb)
    jitter = torch.rand(len(rgb), generator=generator).to(rgb)
    samples = packed.march(batch.rays, _stride(model, cfg), model.worth, jitter=jitter)
    seen = packed.render(model.field, batch.rays, samples, background=background)
    target = rgb * alpha + background * (1 - alpha)
    first = int(torch.randint(max(1, model.voxels.side - SLAB), (1,), generator=generator))
    slab = model.voxels.lattice()[first : first + SLAB + 1]
    return {
        "mse": (seen.color - target).square().mean(),
        "variation": cfg.variation * total_variation(slab),
    }


def render(
    model: RadianceVoxels,
    rays: Rays,
    cfg: Config,
    *,
    background: Tensor,
    generator: Generator | None = None,
) -> Rendered:
    """What any number of rays see over a background colour; `generator` is not used."""
    stride = _stride(model, cfg)
    return packed.render_all(
        model.field, rays, stride=stride, occupied=model.worth, background=background
    )


def density(model: RadianceVoxels) -> Callable[[Tensor], Tensor]:
    """Density of scene points [N, 3], 1 / length; 0 outside the cube."""
    return lambda points: model.field(points)[0] * (points.abs() <= 1).all(dim=1)


def color(model: RadianceVoxels) -> Callable[[Tensor, Tensor], Tensor]:
    """RGB of scene points [N, 3]; the directions are not used."""
    return lambda points, directions: model.field(points)[1]


def surface(model: Voxels) -> Callable[[Tensor], Tensor]:
    """The signed value of scene points [N, 3], negative inside; of a lattice fitted to points."""
    return lambda points: model(points)[:, 0]


def _stride(model: RadianceVoxels, cfg: Config) -> float:
    return cfg.stride * 2 / model.voxels.side


def _stage(cfg: Config, step: int) -> int:
    """How often the lattice has been doubled by then."""
    return sum(step >= cfg.doubling * (2**n - 1) for n in range(1, cfg.doublings + 1))
