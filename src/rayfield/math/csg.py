"""Solids combined by their implicit values (negative inside): constructive solid geometry.

The sign is always that of the combined solid. Of exact signed distances, a union is exact outside
of it and a bound within, an intersection exact inside of it and a bound without; all stay
1-Lipschitz. Where two solids only touch, their union is 0 on the face that they share.

`width` of the smooth ones is the difference of the two values from which on they change nothing.
They blend with a cubic kernel's little sister, the quadratic one: continuous first derivatives.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from rayfield.core.check import UsageError

Values = Float[Tensor, "*B"]


def union(a: Values, b: Values) -> Values:
    """In either."""
    return torch.minimum(a, b)


def intersection(a: Values, b: Values) -> Values:
    """In both."""
    return torch.maximum(a, b)


def difference(a: Values, b: Values) -> Values:
    """In `a` and not in `b`."""
    return torch.maximum(a, -b)


def complement(a: Values) -> Values:
    """All that is not in it."""
    return -a


def offset(a: Values, by: float) -> Values:
    """The solid grown by a distance (shrunk where negative): edges of a distance turn round.

    Of an exact distance the level set is the parallel surface; growing keeps it exact outside.
    """
    return a - by


def smooth_union(a: Values, b: Values, *, width: float) -> Values:
    """Union with a fillet: at most min(a, b), by width / 4 at most, and equal to it where the two
    differ by `width` or more.
    """
    _check(width)
    share = (0.5 + 0.5 * (b - a) / width).clamp(0, 1)
    return torch.lerp(b, a, share) - width * share * (1 - share)


def smooth_intersection(a: Values, b: Values, *, width: float) -> Values:
    """Intersection with rounded edges: at least max(a, b)."""
    return -smooth_union(-a, -b, width=width)


def smooth_difference(a: Values, b: Values, *, width: float) -> Values:
    """In `a` and not in `b`, with rounded edges."""
    return smooth_intersection(a, -b, width=width)


def _check(width: float) -> None:
    if not width > 0:
        raise UsageError(f"width {width}: expected more than 0; the plain form has none")
