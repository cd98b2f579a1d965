"""Surface rendering: where rays first enter a solid, and how that depends on the field.

IDR (Yariv et al. 2020, arXiv:2003.09852, Sec. 3.1 and the supplement's A.1): sphere tracing from
both ends of a ray; where that does not settle it, equally spaced samples, the first change of sign
and secant steps. The signed distance is negative inside and need not be exact: a step that ends
inside is noticed and mended; one over the whole solid is not (`Tracing.slack`). Fields are
callables, so any of them can be seen so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rayfield.core.types import Rays, Rendered
from rayfield.math.roots import Along, secant, sphere_trace

DistanceFn = Callable[[Float[Tensor, "N 3"]], Float[Tensor, " N"]]
# points and unit directions of view -> RGB
ShadeFn = Callable[[Float[Tensor, "N 3"], Float[Tensor, "N 3"]], Float[Tensor, "N 3"]]

STEEPEST = -0.05  # slopes along the ray count as at least so steep: grazing ones have no limit


class Tracing(NamedTuple):
    """Steps of sphere tracing from either end; how small a distance is no distance (`close`);
    samples of rays that it does not settle, and secant steps; by how much distances may grow
    faster than points move (`slack`). As published."""

    steps: int = 10
    close: float = 5e-5
    samples: int = 100
    secant: int = 8
    slack: float = 1.0


class Hits(NamedTuple):
    """Where rays first enter the solid, if they do (`t` is `far` if not), and how often each of
    them asked the field."""

    t: Float[Tensor, " R"]
    hit: Bool[Tensor, " R"]
    asked: Int[Tensor, " R"]


PUBLISHED = Tracing()


@torch.no_grad()
def first_hits(distance: DistanceFn, rays: Rays, tracing: Tracing = PUBLISHED) -> Hits:
    """The first entries of rays between `near` and `far`.

    A ray that starts inside has to leave before it can enter; one that passes within `close` hits.
    """
    t, hit = rays.far.clone(), torch.zeros_like(rays.far, dtype=torch.bool)
    asked = torch.zeros_like(rays.far, dtype=torch.long)
    live = (rays.near < rays.far).nonzero()[:, 0]
    if len(live) == 0:
        return Hits(t, hit, asked)
    line = _Line(lambda points: distance(points) / tracing.slack, rays, live)
    near, far = rays.near[live], rays.far[live]
    reached, _ = sphere_trace(line, near, far, steps=tracing.steps, close=tracing.close)
    value = line(reached)
    there = (value.abs() <= tracing.close) & (reached < far)
    t[live[there]], hit[live[there]] = reached[there], True
    asked[live] = line.calls
    # What is left of the ray: all of it from where it starts inside, what was overstepped, or
    # what is ahead after all steps.
    rest = (~there & (reached < far)).nonzero()[:, 0]
    inside = value < 0
    low = torch.where(inside, near, reached)[rest]
    high = torch.where(inside & (reached > near), reached, far)[rest]
    line = _Line(line.distance, rays, live[rest])
    found, crosses = _sampled(line, low, high, tracing)
    t[live[rest[crosses]]], hit[live[rest[crosses]]] = found, True
    asked[live[rest]] += line.calls
    return Hits(t, hit, asked)


class _Line:
    """The distance along chosen rays, and how often it was asked."""

    def __init__(self, distance: DistanceFn, rays: Rays, chosen: Int[Tensor, " N"]) -> None:
        self.distance, self.calls = distance, 0
        self.origins, self.directions = rays.origins[chosen], rays.directions[chosen]

    def __call__(self, t: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
        self.calls += 1
        return self.distance(self.origins + t[:, None] * self.directions)

    def of(self, chosen: Int[Tensor, " K"]) -> Along:
        """The same along some of the rays."""
        origins, directions = self.origins[chosen], self.directions[chosen]
        return lambda t: self.distance(origins + t[:, None] * directions)


def _sampled(
    line: _Line, low: Float[Tensor, " N"], high: Float[Tensor, " N"], tracing: Tracing
) -> tuple[Float[Tensor, " K"], Int[Tensor, " K"]]:
    """The first change from outside to inside within [low, high], and whose it is."""
    if len(low) == 0:
        return low, torch.zeros_like(low, dtype=torch.long)
    back, _ = sphere_trace(
        lambda s: line(high - s), torch.zeros_like(low), high - low,
        steps=tracing.steps, close=tracing.close,
    )  # fmt: skip
    high = high - back
    part = torch.linspace(0, 1, tracing.samples, dtype=low.dtype, device=low.device)
    places = torch.lerp(low[:, None], high[:, None], part)
    values = torch.stack([line(column) for column in places.T], dim=1)
    enters = (values[:, :-1] > 0) & (values[:, 1:] <= 0)
    chosen = (enters.any(dim=1)).nonzero()[:, 0]
    first = enters[chosen].int().argmax(dim=1)
    rows = torch.arange(len(chosen), device=low.device)
    places, values = places[chosen], values[chosen]
    ends = values[rows, first], values[rows, first + 1]
    bracket = places[rows, first], places[rows, first + 1]
    return secant(line.of(chosen), *bracket, values=ends, steps=tracing.secant), chosen


@torch.no_grad()
def nearest(distance: DistanceFn, rays: Rays, samples: int) -> Float[Tensor, " R"]:
    """Where the distance is least among equally spaced places of each ray: what a mask loss of rays
    that miss is about (IDR, eq. 7)."""
    part = torch.linspace(0, 1, samples, dtype=rays.near.dtype, device=rays.near.device)
    places = torch.lerp(rays.near[:, None], rays.far[:, None], part)
    points = rays.origins[:, None] + places[..., None] * rays.directions[:, None]
    values = distance(points.flatten(0, 1)).view_as(places)
    return places.gather(1, values.argmin(dim=1, keepdim=True))[:, 0]


def shift(value: Float[Tensor, " N"], slope: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    """0, with the derivative of where the ray meets the surface with respect to the field.

    IDR, eq. 3: t(theta) = t0 - (f(x0; theta) - f(x0; theta0)) / slope, in which x0 is the point
    found, and `slope` the derivative of f along the ray there, which is taken as constant.
    Departure: it counts as -0.05 at least, as a ray that grazes would outweigh all others.
    """
    return -(value - value.detach()) / slope.detach().clamp(max=STEEPEST)


def moving(
    color: Float[Tensor, "N 3"],
    moved: Float[Tensor, " N"],
    change: Float[Tensor, "N 3"],
) -> Float[Tensor, "N 3"]:
    """A colour that also depends on the field by where the surface is: to first order.

    `moved` is the `shift`, `change` the derivative of the colour along the ray, which is taken as
    constant: so fields need not be differentiable with respect to points.
    """
    return color + change.detach() * moved[:, None]


@torch.no_grad()
def render(
    distance: DistanceFn,
    shade: ShadeFn,
    rays: Rays,
    *,
    background: Float[Tensor, " 3"],
    tracing: Tracing = PUBLISHED,
) -> Rendered:
    """What rays see: the colour of the first point that is not outside, or the background.

    Opacity is 0 or 1, depth the distance of the point (0 without one).
    """
    found = first_hits(distance, rays, tracing)
    chosen = found.hit.nonzero()[:, 0]
    directions = rays.directions[chosen]
    points = rays.origins[chosen] + found.t[chosen, None] * directions
    color = background.to(points).expand(len(rays.near), 3).clone()
    color[chosen] = shade(points, directions)
    opacity = found.hit.to(points)
    return Rendered(color, opacity, found.t * opacity, found.asked)
