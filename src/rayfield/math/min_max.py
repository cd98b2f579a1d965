"""Continuous piecewise-linear functions as the minimum of maxima of affine forms.

A form is a row (n, c) and stands for n.x + c. Every continuous piecewise-linear function on R^D is
such a min-max (Tarela & Martinez 1999; Ovchinnikov 2002): take its distinct affine pieces l_i, and
for a point a the set S_a = {i: l_i(a) <= f(a)}. The max over S_a is nowhere below f, because on the
way from a to any x some piece is below f at a and above it at x; and it equals f on a's cell. The
minimum over one a for every cell of the arrangement {l_i = l_k} is f.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

SAME = 1e-9  # values that differ by less are equal

ScalarFn = Callable[[Float[Tensor, "N D"]], Float[Tensor, " N"]]


class MinMax(NamedTuple):
    """min over groups of the maximum over a group's forms; groups hold rows of `forms`."""

    forms: Float[Tensor, "M D1"]
    groups: tuple[tuple[int, ...], ...]


def evaluate(function: MinMax, points: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
    """The values of a min-max at points."""
    values = points @ function.forms[:, :-1].T + function.forms[:, -1]
    return torch.stack([values[:, list(g)].amax(dim=1) for g in function.groups]).amin(dim=0)


def distinct(forms: Float[Tensor, "M D1"]) -> Float[Tensor, "K D1"]:
    """The forms without those that repeat an earlier one."""
    kept: list[Tensor] = []
    for form in forms:
        if all(float((form - other).abs().max()) > SAME for other in kept):
            kept.append(form)
    return torch.stack(kept)


def lattice(
    forms: Float[Tensor, "M D1"], function: ScalarFn, points: Float[Tensor, "N D"]
) -> MinMax:
    """The min-max of a piecewise-linear function with these affine pieces, exact at the points.

    Nowhere below the function. Groups are added where the value is too large, one point after the
    other until none is left; groups that hold another one are dropped.
    """
    values = points @ forms[:, :-1].T + forms[:, -1]
    wanted = function(points)
    groups: list[frozenset[int]] = []
    best = torch.full_like(wanted, torch.inf)
    while bool((best > wanted + SAME).any()):
        worst = int((best - wanted).argmax())
        below = values[worst] <= wanted[worst] + SAME
        group = frozenset(torch.nonzero(below)[:, 0].tolist())
        groups = [other for other in groups if not group <= other] + [group]
        best = torch.minimum(best, values[:, below].amax(dim=1))
    return MinMax(forms, tuple(tuple(sorted(group)) for group in groups))
