"""Volume rendering of a radiance field through an occupancy grid.

The compiled kernels run on CPUs; `render_readable` is their twin, and the path on a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from rayfield.core.types import Rays, Rendered
from rayfield.fields.radiance import RadianceField
from rayfield.kernels import fused, packing
from rayfield.math import packed as ragged
from rayfield.math import sh
from rayfield.render.occupancy import OccupancyGrid

BLOCK = 8192  # rays rendered at a time


@dataclass(frozen=True)
class Marching:
    """How rays are sampled.

    `step` the shortest step, scene units; `cone` the ratio of a step to the distance from the
    camera, 0 for fixed steps; `most` samples per ray at most; light below `cutoff` ends a ray;
    `capacity` samples in all at most: the rays beyond are left out of the batch; gradients of
    samples nearer to the camera than `fade` shrink with the square of their distance (0: none do).
    """

    step: float
    cone: float = 0.0
    most: int = 1024
    cutoff: float = 1e-4
    capacity: int = 1 << 18
    fade: float = 0.0


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
    packed, (color, opacity, depth, distortion, live) = _forward(
        field, renderer, occupancy, rays, marching=marching, jitter=jitter
    )
    if observe:
        renderer.observe(packed, occupancy.seen(), rays.image)
    depth = depth / opacity.clamp_min(1e-10)
    return Rendered(color, opacity, depth, live, distortion)


def _forward(
    field: RadianceField,
    renderer: fused.Renderer,
    occupancy: OccupancyGrid,
    rays: Rays,
    *,
    marching: Marching,
    jitter: Tensor | None,
) -> tuple[packing.Packed, tuple[Tensor, ...]]:
    """March, and what `fused.Render` gives of the samples."""
    grid = occupancy.compiled(marching.step, marching.cone, marching.most)
    packed = packing.pack(
        grid, packing.bundle(rays, jitter), marching.capacity, align=packing.ALIGN
    )
    renderer.reserve(packed.rows, field.matrices())
    renderer.fill(grid, rays, jitter, packed)
    harmonics = sh.harmonics(rays.directions[: packed.used])
    return packed, fused.Render.apply(
        renderer,
        packed,
        harmonics,
        marching.cutoff,
        marching.fade,
        field.grid.table,
        *field.matrices(),
    )


def render_all(
    field: RadianceField, occupancy: OccupancyGrid, rays: Rays, *, marching: Marching
) -> Rendered:
    """`render` for any number of rays, a few samples of each at a time; no gradient.

    Rays whose light is spent are not followed further. Colours differ from those of `render` by
    less than `marching.cutoff`.
    """
    renderer = field.compiled()
    if renderer is None:
        return _in_parts(field, occupancy, rays, marching)
    size = min(BLOCK, marching.capacity)
    parts = [
        _in_rounds(field, renderer, occupancy, Rays(*(x[i : i + size] for x in rays)), marching)
        for i in range(0, len(rays.near) or 1, size)
    ]
    color, opacity, depth, samples = (torch.cat(x) for x in zip(*parts, strict=True))
    return Rendered(color, opacity, depth / opacity.clamp_min(1e-10), samples)


@torch.no_grad()
def _in_parts(
    field: RadianceField, occupancy: OccupancyGrid, rays: Rays, marching: Marching
) -> Rendered:
    """As many whole rays at a time as fit the capacity."""
    parts: list[Rendered] = []
    first = 0
    while first < len(rays.near) or not parts:
        block = Rays(*(x[first : first + BLOCK] for x in rays))
        parts.append(render_readable(field, occupancy, block, marching=marching))
        first += len(parts[-1].opacity)
    color, opacity, depth, samples, _ = (torch.cat(x) for x in zip(*parts, strict=True))
    return Rendered(color, opacity, depth, samples)


@torch.no_grad()
def _in_rounds(
    field: RadianceField,
    renderer: fused.Renderer,
    occupancy: OccupancyGrid,
    rays: Rays,
    marching: Marching,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Colour, opacity, sum of w t and number of samples of rays.

    Every round gives the rays that are left as many samples as fit the capacity.
    """
    total = torch.zeros(len(rays.near), 5)  # colour, opacity, sum of w t
    samples = torch.zeros(len(rays.near), dtype=torch.long)
    left, through, jitter = torch.arange(len(rays.near)), torch.ones(len(rays.near)), None
    taken = 0  # of each of the rays left
    while len(left) and taken < marching.most:
        most = min(marching.most - taken, max(1, marching.capacity // len(left)))
        taken += most
        packed, (color, opacity, depth, _, live) = _forward(
            field, renderer, occupancy, rays, marching=replace(marching, most=most), jitter=jitter
        )
        stop = torch.from_numpy(packed.stop)
        total[left] += through[:, None] * torch.column_stack([color, opacity, depth])
        samples[left] += live
        through = through * (1 - opacity)
        on = (through > marching.cutoff) & (stop < rays.far)
        left, through = left[on], through[on]
        rays = Rays(*(x[on] for x in rays._replace(near=stop)))
        jitter = torch.zeros(len(left))  # the next sample starts where the last one ended
    return total[:, :3], total[:, 3], total[:, 4], samples


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
        occupancy.observe(occupancy.unit(points[seen]), sigma.detach(), rays.image[ray])
    rgb = field.color(geometry, rays.directions[ray])
    if marching.fade:
        share = (middle / marching.fade).square().clamp_max(1)
        sigma, rgb = (
            ragged.scale_gradient(sigma, share),
            ragged.scale_gradient(rgb, share[:, None]),
        )
    w = ragged.weights(sigma, delta, ray)
    color = ragged.ray_sum(w[:, None] * rgb, ray, n_rays=used)
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
