"""Roots along lines: bisection, the bracketed secant method, and sphere tracing, many at a time.

A function takes one number for each of N problems and returns N values; of each problem it is asked
at one place at a time.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rayfield.core.check import RayfieldError

Along = Callable[[Float[Tensor, " N"]], Float[Tensor, " N"]]


def bisection(
    function: Along, low: Float[Tensor, " N"], high: Float[Tensor, " N"], *, steps: int
) -> Float[Tensor, " N"]:
    """Middles of brackets halved `steps` times; the ends must have values of different sign.

    `RayfieldError` where they have not.
    """
    first = function(low)
    _check(first, function(high))
    for _ in range(steps):
        middle = (low + high) / 2
        same = (function(middle) > 0) == (first > 0)
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    return (low + high) / 2


def secant(
    function: Along,
    low: Float[Tensor, " N"],
    high: Float[Tensor, " N"],
    *,
    values: tuple[Float[Tensor, " N"], Float[Tensor, " N"]],
    steps: int,
) -> Float[Tensor, " N"]:
    """Roots in brackets by the Illinois form of the secant method (Dowell and Jarratt 1971).

    `values` are those at the ends; each of the `steps` asks the function once. Of an affine
    function the root is exact. Roots never leave their brackets, also where the function jumps.
    `RayfieldError` where the ends have not values of different sign.
    """
    a, b = values
    _check(a, b)
    positive = a > 0
    weighed_a, weighed_b = a, b
    moved_low = moved_high = torch.zeros_like(positive)
    for _ in range(steps):
        x = _crossing(low, high, weighed_a, weighed_b)
        y = function(x)
        left = (y > 0) == positive
        # An end that stays twice is given half its value, lest it stay for ever.
        weighed_a = torch.where(left, y, torch.where(moved_high & ~left, weighed_a / 2, weighed_a))
        weighed_b = torch.where(left, torch.where(moved_low & left, weighed_b / 2, weighed_b), y)
        a, b = torch.where(left, y, a), torch.where(left, b, y)
        low, high = torch.where(left, x, low), torch.where(left, high, x)
        moved_low, moved_high = left, ~left
    return _crossing(low, high, a, b)


def _crossing(
    low: Float[Tensor, " N"],
    high: Float[Tensor, " N"],
    a: Float[Tensor, " N"],
    b: Float[Tensor, " N"],
) -> Float[Tensor, " N"]:
    """Where the straight line between two values of different sign is 0."""
    x = low + (high - low) * (a / (a - b))
    return torch.where(torch.isfinite(x), x, (low + high) / 2).clamp(low, high)


def _check(a: Float[Tensor, " N"], b: Float[Tensor, " N"]) -> None:
    bad = int(((a > 0) == (b > 0)).sum())
    if bad:
        raise RayfieldError(f"{bad} of {len(a)} brackets have values of one sign at both ends")


def sphere_trace(
    distance: Along,
    near: Float[Tensor, " N"],
    far: Float[Tensor, " N"],
    *,
    steps: int,
    close: float,
) -> tuple[Float[Tensor, " N"], Bool[Tensor, " N"]]:
    """Walk from `near` by the distance itself until it is below `close`: where, and whether so.

    A function that changes no faster than its argument (an exact distance along a unit direction,
    or a lower bound of one) has no zero in the part walked: the first is never overstepped. Those
    that reach `far` first, or run out of steps, have not arrived.
    """
    t = near
    for _ in range(steps):
        value = distance(t)
        walking = (value >= close) & (t < far)
        if not walking.any():
            break
        t = torch.where(walking, torch.minimum(t + value, far), t)
    return t, distance(t) < close
