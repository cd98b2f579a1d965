"""Cells on rays between as many places on each, for fields that an occupancy grid cannot serve."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from rayfield.core.types import Rays
from rayfield.math import quadrature
from rayfield.render.distance_samplers import Along, bounded, upsampled
from rayfield.render.samplers import stratified
from rayfield.render.shell import Cells, DistanceFn

SCALE = 2.0  # sides of the field's unit cube: it is the cube [-1, 1]^3 around the subject's ball

# (distance at places [R, N] of rays, near, far, *, width, generator) -> ascending places [R, K]
PlacesFn = Callable[..., Float[Tensor, "R K"]]


EVEN = 128


def upsampled_places(
    along: Along, near: Tensor, far: Tensor, *, width: float, generator: Generator | None
) -> Float[Tensor, "R K"]:
    """NeuS's."""
    return upsampled(along, near, far, generator=generator)


def bounded_places(
    along: Along, near: Tensor, far: Tensor, *, width: float, generator: Generator | None
) -> Float[Tensor, "R K"]:
    """VolSDF's."""
    return bounded(along, near, far, beta=width, generator=generator)


def even_places(
    along: Along, near: Tensor, far: Tensor, *, width: float, generator: Generator | None
) -> Float[Tensor, "R K"]:
    """Where UNISURF looks for roots."""
    return stratified(near, far, EVEN)


class Dense(NamedTuple):
    """Where to look along rays, and how many rays a batch has."""

    places: PlacesFn
    rays: int


@torch.no_grad()
def between(rays: Rays, t: Float[Tensor, "H K"], hit: Int[Tensor, " H"]) -> Cells:
    """Cells between places t of the rays `hit`; the other rays have none."""
    middle, length = quadrature.midpoints(t), t.diff(dim=-1)
    points = rays.origins[hit][:, None] + middle[..., None] * rays.directions[hit][:, None]
    used, ray = len(rays.near), hit.repeat_interleave(middle.shape[-1])
    unit = points.flatten(0, 1) / SCALE + 0.5
    count = torch.bincount(ray, minlength=used)
    return Cells(used, middle.flatten(), length.flatten(), unit, ray, count)


@torch.no_grad()
def cells_of(
    dense: Dense, rays: Rays, distance: DistanceFn, *, width: float, generator: Generator | None
) -> Cells:
    """The cells of the rays that have a length; `distance` is asked in the unit cube."""
    hit = (rays.far > rays.near).nonzero()[:, 0]
    origins, directions = rays.origins[hit], rays.directions[hit]
    if not len(hit):
        return between(rays, torch.zeros(0, 2).to(rays.near), hit)

    def along(t: Tensor) -> Tensor:
        points = origins[:, None] + t[..., None] * directions[:, None]
        return SCALE * distance(points.flatten(0, 1) / SCALE + 0.5).view_as(t)

    ends = rays.near[hit], rays.far[hit]
    return between(rays, dense.places(along, *ends, width=width, generator=generator), hit)
