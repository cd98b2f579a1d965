"""A surface field seen where rays meet it: for training with gradients, and whole views.

What IDR (Yariv et al. 2020, arXiv:2003.09852) does with its two networks, for a field on the unit
cube that stands for the scene's cube [-1, 1]^3 and is not differentiable with respect to points.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from rayfield.core.types import Rays, Rendered
from rayfield.fields.sdf_grid import Distance
from rayfield.fields.surfaces import AnySurface
from rayfield.render import surface
from rayfield.render.surface import DistanceFn, ShadeFn, Tracing

HALF = 0.5  # of the scene's lengths in the field's unit cube
SHARE = 2  # rays for each neighbour of a point met, and for each point of the whole cube
AHEAD = 0.5  # of a fine cell: how far along the ray the change of colours is looked at
BLOCK = 1 << 14  # rays rendered at a time


class Met(NamedTuple):
    """Which rays meet the surface; the value where they do, or of the nearest point where not; the
    colours of `wanted` rays that do; the gradient at all points asked; that at K of them, `here`,
    and at others `nearby`."""

    hit: Bool[Tensor, " R"]
    value: Float[Tensor, " R"]
    color: Float[Tensor, "H 3"]
    gradient: Float[Tensor, "N 3"]
    here: Float[Tensor, "K 3"]
    nearby: Float[Tensor, "K 3"]


def meet(
    field: AnySurface,
    rays: Rays,
    wanted: Bool[Tensor, " R"],
    *,
    tracing: Tracing,
    places: int,
    generator: Generator,
) -> Met:
    """Where rays meet the surface, with gradients with respect to the field (scene units).

    Rays that miss are asked at so many `places`. All rays must have a length within the cube.
    """
    n, device = len(rays.near), rays.near.device
    found = surface.first_hits(distance(field), rays, tracing)
    missing = Rays(*(x[~found.hit] for x in rays))
    lowest = surface.nearest(distance(field), missing, places)
    t = found.t.masked_scatter(~found.hit, lowest)
    unit = (rays.origins + t[:, None] * rays.directions) * HALF + HALF
    shown = found.hit & wanted
    directions = rays.directions[shown]
    change = _change(field, unit[shown], directions)  # first, as it uses the field's memory too
    some = n // SHARE
    away = torch.randn(some, 3, generator=generator).to(device) * field.nearby()
    everywhere = torch.rand(some + 1, 3, generator=generator).to(device)
    asked = field(torch.cat([unit, (unit[:some] + away).clamp(0, 1), everywhere]))
    value, gradient = asked.value[:n] / HALF, asked.gradient
    slope = (gradient[:n] * rays.directions).sum(-1)
    moved = surface.shift(value[shown], slope[shown])
    color = field.color(Distance(*(x[:n][shown] for x in asked)), directions)
    color = surface.moving(color, moved, change)
    return Met(found.hit, value, color, gradient, gradient[:some], gradient[n : n + some])


@torch.no_grad()
def _change(
    field: AnySurface, unit: Float[Tensor, "N 3"], directions: Float[Tensor, "N 3"]
) -> Float[Tensor, "N 3"]:
    """How colours change along the rays, per scene unit: by differences.

    Over a whole cell, as gradients jump between cells.
    """
    step = AHEAD * field.nearby()
    ahead, before = (field.color(field(unit + s * directions), directions) for s in (step, -step))
    return (ahead - before) * (HALF / (2 * step))


def see(
    field: AnySurface, rays: Rays, *, tracing: Tracing, background: Float[Tensor, " 3"]
) -> Rendered:
    """What any number of rays see over a background colour."""
    blocks = [Rays(*x) for x in zip(*(x.split(BLOCK) for x in rays), strict=True)]
    look = distance(field), color(field)
    parts = [
        surface.render(*look, block, background=background, tracing=tracing)
        for block in blocks or [rays]
    ]
    found = zip(*((p.color, p.opacity, p.depth, p.samples) for p in parts), strict=True)
    return Rendered(*(torch.cat(x) for x in found))


def distance(field: AnySurface) -> DistanceFn:
    """Signed distances of scene points, in scene units."""
    return lambda points: field.distance(points * HALF + HALF) / HALF


def color(field: AnySurface) -> ShadeFn:
    """RGB of scene points [N, 3] seen along unit directions [N, 3]."""
    return lambda points, along: field.color(field(points * HALF + HALF), along)
