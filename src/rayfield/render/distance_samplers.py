"""Where to look along rays for the surface of a signed distance, a fixed number of places on each.

NeuS (Wang et al. 2021, arXiv:2106.10689, Sec. 4.1 and the released code): even places, then more of
them where the surface is likely, with growing sharpness. VolSDF (Yariv et al. 2021,
arXiv:2106.12052, Sec. 3.3-3.4, Alg. 1): places added until the opacity that they give is right to
within a bound, for a distance that changes no faster than its argument.

`distance` takes places t [R, N] and returns f there. All places are ascending, without gradient.
Departure: all rays go through as many rounds as the slowest needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from rayfield.math import quadrature, stepfun
from rayfield.math.density import laplace_density, neus_alpha
from rayfield.render.samplers import stratified

Along = Callable[[Float[Tensor, "R N"]], Float[Tensor, "R N"]]
HALVINGS = 10
LARGEST = 13.0  # exponents of bounds are cut there, where they mean nothing


class Upsampling(NamedTuple):
    """`coarse` even places and `rounds` of `fine` more, the first for `sharpness` (1/length), each
    for twice that of the one before. The released code's numbers."""

    coarse: int = 64
    rounds: int = 4
    fine: int = 16
    sharpness: float = 64.0


class Bounded(NamedTuple):
    """Opacity right to within `error`; `even` places at first, as many more in each of `rounds` at
    most. What is kept: `drawn` places from the opacity, `spread` of all, and both ends. The
    released code's numbers."""

    error: float = 0.1
    even: int = 128
    rounds: int = 5
    drawn: int = 64
    spread: int = 32


UPSAMPLING, BOUNDED = Upsampling(), Bounded()


@torch.no_grad()
def upsampled(
    distance: Along,
    near: Float[Tensor, " R"],
    far: Float[Tensor, " R"],
    *,
    how: Upsampling = UPSAMPLING,
    generator: Generator | None = None,
) -> Float[Tensor, "R K"]:
    """coarse + rounds * fine places between near and far."""
    t = stratified(near, far, how.coarse)
    if generator is not None:  # one shift for each ray, of up to half a cell either way
        shift = torch.rand(len(t), 1, generator=generator).to(t) - 0.5
        t = t + shift * (far - near)[:, None] / how.coarse
    value = distance(t)
    for index in range(how.rounds):
        more = likely(t, value, how.fine, sharpness=how.sharpness * 2**index)
        t, order = torch.cat([t, more], -1).sort(-1)
        if index + 1 < how.rounds:
            value = torch.cat([value, distance(more)], -1).gather(-1, order)
    return t


def likely(
    t: Float[Tensor, "R N"], value: Float[Tensor, "R N"], n: int, *, sharpness: float
) -> Float[Tensor, "R {n}"]:
    """`n` places distributed as NeuS's weights are for distances `value` known at t.

    The slope of a cell is the lesser one of it and the one before, so that the back of a thin sheet
    is not taken for another front.
    """
    delta = t.diff(dim=-1).clamp_min(1e-6)
    slope = value.diff(dim=-1) / delta
    before = torch.cat([torch.zeros_like(slope[:, :1]), slope[:, :-1]], -1)
    slope = torch.minimum(slope, before).clamp(max=0)
    middle = quadrature.midpoints(value)
    alpha = neus_alpha(middle, slope, delta, sharpness=sharpness)
    return stepfun.sample(t, quadrature.alpha_weights(alpha), n)


def clearance(value: Float[Tensor, "R N"], delta: Float[Tensor, "R M"]) -> Float[Tensor, "R M"]:
    """The least |f| that each cell may hold, given f at its ends.

    No zero lies in the balls of radius |f| around the ends; it is the distance of the cell from the
    rest of space.
    """
    a, b = value[:, :-1].abs(), value[:, 1:].abs()
    half = (a + b + delta) / 2
    area = (half * (half - a) * (half - b) * (half - delta)).clamp_min(0).sqrt()
    found = 2 * area / delta.clamp_min(1e-12)
    found = torch.where(delta**2 + a**2 <= b**2, a, found)
    found = torch.where(delta**2 + b**2 <= a**2, b, found)
    apart = (value[:, :-1] * value[:, 1:] <= 0) | (a + b <= delta)
    return torch.where(apart, 0.0, found)


def error_bound(
    t: Float[Tensor, "R N"], value: Float[Tensor, "R N"], beta: Float[Tensor, "R 1"]
) -> Float[Tensor, "R M"]:
    """How wrong opacity is at most within each cell, by the left rule."""
    delta = t.diff(dim=-1)
    depth = laplace_density(value[:, :-1], beta) * delta
    before = depth.cumsum(-1) - depth
    wrong = delta**2 * torch.exp(-clearance(value, delta) / beta) / (4 * beta**2)
    return torch.exp(-before) * torch.expm1(wrong.cumsum(-1).clamp(max=LARGEST))


@torch.no_grad()
def bounded(
    distance: Along,
    near: Float[Tensor, " R"],
    far: Float[Tensor, " R"],
    *,
    beta: float,
    how: Bounded = BOUNDED,
    generator: Generator | None = None,
) -> Float[Tensor, "R K"]:
    """drawn + spread + 2 places between near and far, for a surface of width `beta`."""
    t = stratified(near, far, how.even)
    value = distance(t)
    wanted = torch.full_like(t[:, :1], beta)
    safe = (t.diff(dim=-1) ** 2).sum(-1, keepdim=True) / (4 * math.log1p(how.error))
    safe = torch.maximum(safe.sqrt(), wanted)
    for index in range(how.rounds):
        done = _worst(t, value, wanted) <= how.error
        safe = torch.where(done, wanted, _least(t, value, wanted, safe, how.error))
        if bool(done.all()) or index + 1 == how.rounds:
            break
        more = stepfun.sample(t, error_bound(t, value, safe), how.even)
        t, order = torch.cat([t, more], -1).sort(-1)
        value = torch.cat([value, distance(more)], -1).gather(-1, order)
    delta = t.diff(dim=-1)
    w = quadrature.weights(laplace_density(value[:, :-1], safe), delta)
    drawn = stepfun.sample(t, w, how.drawn, generator=generator)
    if generator is None:
        places = torch.linspace(0, t.shape[-1] - 1, how.spread, device=t.device).long()
    else:
        places = torch.randperm(t.shape[-1], generator=generator)[: how.spread].to(t.device)
    ends = torch.stack([near, far], -1)
    return torch.cat([drawn, t[:, places], ends], -1).sort(-1).values


def _worst(t: Tensor, value: Tensor, beta: Tensor) -> Tensor:
    return error_bound(t, value, beta).amax(-1, keepdim=True)


def _least(t: Tensor, value: Tensor, low: Tensor, high: Tensor, error: float) -> Tensor:
    """About the least beta between `low`, which is not, and `high` that keeps to the error."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        fits = _worst(t, value, middle) <= error
        low, high = torch.where(fits, low, middle), torch.where(fits, middle, high)
    return high
