"""Volume rendering of a radiance field through an occupancy grid.

The compiled kernels run on CPUs; `render_readable` is their twin, and the path on a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rayfield.core.types import Rays, Rendered
from rayfield.fields.radiance import RadianceField
from rayfield.kernels import fused
from rayfield.math import packed as ragged
from rayfield.math import sh
from rayfield.render.occupancy import OccupancyGrid

BLOCK = 8192  # rays rendered at a time


@dataclass(frozen=True)
class Marching:
    """How rays are sampled.

    `step` the shortest step, scene units; `cone` the ratio of a step to the distance from the
    camera, 0 for fixed steps; `most` samples per ray at most; light below `cutoff` ends a ray;
    `capacity` samples in all at most: the rays beyond are left out of the batch.
    """

    step: float
    cone: float = 0.0
    most: int = 1024
    cutoff: float = 1e-4
    capacity: int = 1 << 18


def render(
    field: RadianceField,
    occupancy: OccupancyGrid,
    rays: Rays,
    *,
    marching: Marching,
    jitter: Float[Tensor, " R"] | None = None,
    observe: bool = False,
) -> Rendered:
    """What the first rays that fit `marching.capacity` see, over black.

    `jitter` in [0, 1) shifts each ray's samples by that part of a step; None means half. With
    `observe`, the densities met are fed back to the occupancy grid.
    """
    renderer = field.compiled()
    if renderer is None:
        return render_readable(
            field, occupancy, rays, marching=marching, jitter=jitter, observe=observe
        )
    grid = occupancy.compiled(marching.step, marching.cone, marching.most)
    packed = renderer.pack(grid, rays, jitter, marching.capacity)
    renderer.reserve(packed.rows, field.matrices())
    renderer.fill(grid, rays, jitter, packed)
    harmonics = sh.harmonics(rays.directions[: packed.used])
    color, opacity, depth, distortion, live = fused.Render.apply(
        renderer, packed, harmonics, marching.cutoff, field.grid.table, *field.matrices()
    )
    if observe:
        renderer.observe(packed, occupancy.density, occupancy.side)
    depth = depth / opacity.clamp_min(1e-10)
    return Rendered(color, opacity, depth, live, distortion)


def render_all(
    field: RadianceField, occupancy: OccupancyGrid, rays: Rays, *, marching: Marching
) -> Rendered:
    """`render` for any number of rays, in blocks that fit."""
    parts: list[Rendered] = []
    first = 0
    while first < len(rays.near) or not parts:
        block = Rays(*(x[first : first + BLOCK] for x in rays))
        parts.append(render(field, occupancy, block, marching=marching))
        first += len(parts[-1].opacity)
    return Rendered(*(torch.cat(column) for column in zip(*parts, strict=True)))


def render_readable(
    field: RadianceField,
    occupancy: OccupancyGrid,
    rays: Rays,
    *,
    marching: Marching,
    jitter: Float[Tensor, " R"] | None = None,
    observe: bool = False,
) -> Rendered:
    """`render`, step by step in torch on any device."""
    samples = occupancy.march(rays, marching.step, marching.cone, most=marching.most, jitter=jitter)
    used = int((samples.count.cumsum(0) <= marching.capacity).sum())
    samples = ragged.select(samples, samples.ray < used)
    middle = 0.5 * (samples.start + samples.end)
    ray = samples.ray
    points = rays.origins[ray] + middle[:, None] * rays.directions[ray]
    geometry = field.geometry(occupancy.unit(points))
    sigma, delta = field.density(geometry), samples.end - samples.start
    seen = ragged.visible(sigma, delta, ray, threshold=marching.cutoff)
    samples, geometry, middle = ragged.select(samples, seen), geometry[seen], middle[seen]
    ray, sigma, delta = ray[seen], sigma[seen], delta[seen]
    if observe:
        occupancy.observe(occupancy.unit(points[seen]), sigma.detach())
    w = ragged.weights(sigma, delta, ray)
    color = ragged.ray_sum(
        w[:, None] * field.color(geometry, rays.directions[ray]), ray, n_rays=used
    )
    opacity = ragged.ray_sum(w, ray, n_rays=used)
    depth = ragged.ray_sum(w * middle, ray, n_rays=used) / opacity.clamp_min(1e-10)
    start, end = samples.start / (1 + samples.start), samples.end / (1 + samples.end)
    distortion = ragged.distortion(w, start, end, ray=ray, n_rays=used)
    return Rendered(color, opacity, depth, samples.count[:used], distortion)


@torch.no_grad()
def density(field: RadianceField, unit: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
    """Density at points of the unit cube, without gradient."""
    renderer = field.compiled()
    if renderer is None:
        return field.density(field.geometry(unit))
    return fused.density(renderer, field.matrices(), unit)
