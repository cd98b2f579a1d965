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
from torch import Generator, Tensor

from rayfield.core.types import Rays, Rendered
from rayfield.fields.sdf_grid import Distance
from rayfield.kernels import packing
from rayfield.math import packed as ragged
from rayfield.math.roots import secant
from rayfield.render.occupancy import OccupancyGrid

COARSE = 4  # cells along the side of a block that is looked at first
SECANT_STEPS = 4
SHORTEST = 1e-9  # step along a ray that is divided by
SLACK = 1.5  # by how much a distance may grow faster than its points move

# value, slope along the ray, length of the cell (scene units) -> optical depth of the cell
DepthRule = Callable[
    [Float[Tensor, " S"], Float[Tensor, " S"], Float[Tensor, " S"]], Float[Tensor, " S"]
]
DistanceFn = Callable[[Float[Tensor, "N 3"]], Float[Tensor, " N"]]
ColorFn = Callable[[Distance, Float[Tensor, "N 3"]], Float[Tensor, "N 3"]]


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


@torch.no_grad()
def lit(
    cells: Cells, distance: DistanceFn, *, rule: DepthRule, scale: float, cutoff: float
) -> Cells:
    """The cells that `cutoff` of the light reaches, about, found from distances alone.

    They cost a fraction of what gradients and codes do, and most cells lie behind a surface. The
    slope of a cell is taken from its value and the next one's; the last of a ray lets all through.
    """
    value, ray, t = distance(cells.unit), cells.ray, cells.middle
    slope = torch.zeros_like(value)
    follows = ray[1:] == ray[:-1]
    steps = t.diff().clamp_min(SHORTEST)  # places may coincide
    slope[:-1] = torch.where(follows, scale * value.diff() / steps, 0.0).clamp(-1, 1)
    tau = rule(scale * value, slope, cells.length)
    kept = ragged.transmittance(tau, torch.ones_like(tau), ray) >= cutoff
    count = torch.bincount(ray[kept], minlength=cells.used)
    return Cells(cells.used, t[kept], cells.length[kept], cells.unit[kept], ray[kept], count)


class Focus(NamedTuple):
    """`count` cells within `half` of the surface (the rays' lengths)."""

    half: float
    count: int  # type: ignore[assignment]  # hides tuple.count, unused


class Marching(NamedTuple):
    """Length of the cells of a ray, what makes them opaque, and whether to `focus`."""

    step: float
    rule: DepthRule
    on: Focus | None = None


@torch.no_grad()
def focus(
    cells: Cells,
    directions: Float[Tensor, "R 3"],
    distance: DistanceFn,
    *,
    on: Focus,
    scale: float,
    generator: Generator | None = None,
) -> Cells:
    """Even cells around the place where a ray first meets the surface, instead of those marched.

    Of those, the ones in front stay; rays that do not meet the surface keep all. With a generator
    cells are shifted by up to half of their length. UNISURF (Oechsle et al. 2021,
    arXiv:2104.10078), Sec. 3.3. `distance` is asked in the unit cube, whose unit is `scale` of the
    rays' ones.
    """
    value, ray, t = distance(cells.unit), cells.ray, cells.middle
    enters = (value[:-1] > 0) & (value[1:] <= 0) & (ray[:-1] == ray[1:])
    at = enters.nonzero()[:, 0]
    first = torch.ones_like(at, dtype=torch.bool)
    first[1:] = ray[at][1:] != ray[at][:-1]
    at = at[first]
    met, start = ray[at], t[at]
    along = directions[met] / scale

    def unit(t: Tensor) -> Tensor:
        return cells.unit[at] + (t - start)[:, None] * along

    root = secant(lambda t: distance(unit(t)), start, t[at + 1],
                  values=(value[at], value[at + 1]), steps=SECANT_STEPS)  # fmt: skip
    length, shape = 2 * on.half / on.count, (len(at), 1)
    shift = torch.full(shape, 0.5) if generator is None else torch.rand(shape, generator=generator)
    middle = (root - on.half)[:, None] + length * (torch.arange(on.count) + shift).to(t.device)
    begin = torch.full((cells.used,), torch.inf, device=t.device)
    kept = t < begin.index_copy(0, met, root - on.half)[ray]
    places = cells.unit[at][:, None] + (middle - start[:, None])[..., None] * along[:, None]
    ray = torch.cat([ray[kept], met.repeat_interleave(on.count)])
    t = torch.cat([t[kept], middle.flatten()])
    lengths = torch.cat([cells.length[kept], torch.full_like(middle.flatten(), length)])
    order = t.argsort()
    order = order[ray[order].argsort(stable=True)]
    places = torch.cat([cells.unit[kept], places.flatten(0, 1)])
    count = torch.bincount(ray, minlength=cells.used)
    return Cells(cells.used, t[order], lengths[order], places[order], ray[order], count)


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


def composited(front: Rendered, behind: Rendered | None) -> Rendered:
    """The subject over the backdrop; depths are means weighted by opacity."""
    if behind is None:
        return front
    left = (1 - front.opacity) * behind.opacity
    opacity = front.opacity + left
    depth = (front.opacity * front.depth + left * behind.depth) / opacity.clamp_min(1e-10)
    color = front.color + (1 - front.opacity[:, None]) * behind.color
    return Rendered(color, opacity, depth, front.samples + behind.samples)


def _coordinates(index: Int[Tensor, " N"], side: int) -> Int[Tensor, "N 3"]:
    """Integer positions, x fastest."""
    return torch.stack([index % side, index // side % side, index // side**2], -1)
