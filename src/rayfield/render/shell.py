"""Volume rendering of a surface: rays are sampled in the shell of cells around its zero set.

A signed distance f becomes optical depth by a rule that is the whole difference between NeuS,
VolSDF and UNISURF (`math.density`); all of them turn opaque within a few widths of the zero set, so
only cells that near to it are looked into.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rayfield.core.types import Rays, Rendered
from rayfield.fields.sdf_grid import Distance
from rayfield.kernels import packing
from rayfield.math import packed as ragged
from rayfield.render.occupancy import OccupancyGrid

COARSE = 4  # cells along the side of a block that is looked at first
SLACK = 1.5  # by how much a distance may grow faster than its points move

# value, slope along the ray, length of the cell (scene units) -> optical depth of the cell
DepthRule = Callable[
    [Float[Tensor, " S"], Float[Tensor, " S"], Float[Tensor, " S"]], Float[Tensor, " S"]
]
DistanceFn = Callable[[Float[Tensor, "N 3"]], Float[Tensor, " N"]]
ColorFn = Callable[[Distance, Float[Tensor, "N 3"]], Float[Tensor, "N 3"]]


class Marching(NamedTuple):
    """Length of the cells of a ray, and what makes them opaque."""

    step: float
    rule: DepthRule


class Cells(NamedTuple):
    """Samples of the first `used` rays: cells of the ray with middle t and length (scene units),
    the middle in the unit cube, and whose they are; the slots of a ray are adjacent, in order."""

    used: int
    middle: Float[Tensor, " S"]
    length: Float[Tensor, " S"]
    unit: Float[Tensor, "S 3"]
    ray: Int[Tensor, " S"]
    count: Int[Tensor, " R"]  # type: ignore[assignment]  # hides tuple.count, unused


@torch.no_grad()
def mark_shell(grid: OccupancyGrid, distance: DistanceFn, reach: float) -> None:
    """Mark the cells with points within `reach` (unit cube) of the zero set of `distance`.

    A cell is asked at its centre, and only where the block around it is near enough.
    """
    side, n = grid.side, grid.side // COARSE
    device = grid.density.device
    blocks = torch.arange(n**3, device=device)
    centres = (_coordinates(blocks, n) + 0.5) / n
    near = distance(centres).abs() < reach + SLACK * math.sqrt(3) / (2 * n)
    corner = _coordinates(blocks[near], n) * COARSE
    offset = _coordinates(torch.arange(COARSE**3, device=device), COARSE)
    cells = (corner[:, None] + offset).view(-1, 3)
    within = reach + SLACK * math.sqrt(3) / (2 * side) - distance((cells + 0.5) / side).abs()
    grid.density.zero_()
    x, y, z = cells.unbind(-1)
    grid.density[x + side * (y + side * z)] = within.clamp_min(0)
    grid.threshold(1.0, 0.0)


def march(
    grid: OccupancyGrid,
    rays: Rays,
    step: float,
    *,
    jitter: Float[Tensor, " R"] | None = None,
    capacity: int = 1 << 18,
    most: int = 1024,
) -> Cells:
    """Cells of length `step` in occupied places, of the first rays that fit the capacity."""
    if grid.bits.device.type != "cpu":
        return march_readable(grid, rays, step, jitter=jitter, capacity=capacity, most=most)
    compiled, bundle = grid.compiled(step, 0.0, most), packing.bundle(rays, jitter)
    packed = packing.pack(compiled, bundle, capacity)
    start, unit = torch.empty(packed.rows), torch.empty(packed.rows, 3)
    length = torch.empty(packed.rows)
    packing.fill(compiled, bundle, packed, (start.numpy(), length.numpy(), unit.numpy()))
    count = torch.from_numpy(packed.count)
    ray = torch.repeat_interleave(count)
    return Cells(packed.used, start + 0.5 * length, length, unit, ray, count)


def march_readable(
    grid: OccupancyGrid,
    rays: Rays,
    step: float,
    *,
    jitter: Float[Tensor, " R"] | None = None,
    capacity: int = 1 << 18,
    most: int = 1024,
) -> Cells:
    """`march` in torch on any device."""
    samples = grid.march(rays, step, 0.0, most=most, jitter=jitter)
    used = int((samples.count.cumsum(0) <= capacity).sum())
    samples = ragged.select(samples, samples.ray < used)
    middle = 0.5 * (samples.start + samples.end)
    points = rays.origins[samples.ray] + middle[:, None] * rays.directions[samples.ray]
    length = samples.end - samples.start
    return Cells(used, middle, length, grid.unit(points), samples.ray, samples.count[:used])


def render(
    cells: Cells,
    found: Distance,
    directions: Float[Tensor, "R 3"],
    *,
    rule: DepthRule,
    color: ColorFn,
    scale: float,
    cutoff: float = 1e-4,
) -> Rendered:
    """Colour over black, opacity and depth of the rays of the cells.

    `found` is what the field says at the cells; its unit of length is `scale` of the rays' ones.
    Samples that less than `cutoff` of the light reaches are left out before colours are asked for.
    """
    ray, n = cells.ray, cells.used
    along = directions[ray]
    slope = (found.gradient * along).sum(-1)
    tau = rule(scale * found.value, slope, cells.length)
    through = ragged.transmittance(tau, torch.ones_like(tau), ray)
    kept = (through.detach() >= cutoff).nonzero()[:, 0]
    ray = ray[kept]
    w = (through * -torch.expm1(-tau))[kept]
    rgb = color(Distance(*(x[kept] for x in found)), along[kept])
    values = torch.cat([rgb, cells.middle[kept, None], torch.ones_like(w)[:, None]], -1)
    total = ragged.ray_sum(w[:, None] * values, ray, n_rays=n)
    opacity = total[:, 4]
    depth = total[:, 3] / opacity.clamp_min(1e-10)
    return Rendered(total[:, :3], opacity, depth, torch.bincount(ray, minlength=n))


def _coordinates(index: Int[Tensor, " N"], side: int) -> Int[Tensor, "N 3"]:
    """Integer positions, x fastest."""
    return torch.stack([index % side, index // side % side, index // side**2], -1)
