"""The terms that fit a signed distance on a hash grid to points, noisy or not.

Beside those of implicit geometric regularisation (Gropp et al. 2020, arXiv:2002.10099): free points
around the data are told their distance, and the slopes at two points nearby are drawn together,
which is a bending energy by differences of first derivatives (as Neuralangelo's curvature term, Li
et al. 2023, arXiv:2306.03092, eq. 4, but of the whole Hessian). Noise coarsens the grid and
raises that term.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn.functional import huber_loss

from rayfield.fields.sdf_grid import SDFGrid
from rayfield.geometry.guide import Guide
from rayfield.objectives.geometric import eikonal

DETAIL = 0.26  # a level finer than this over the noise would learn the noise
FIRST = 3  # levels at the start
LEAST = 1e-3  # sides of the cube: misfits below count squared even where points are clean
SMOOTH, SMOOTH_PER_NOISE = 0.1, 50.0  # weight of the bending term
GIVEN = 0.3  # weight of noisy points whose normals are given: noise has not touched those
FREE = 20.0  # weight of the distances of free points
CLEAR, PER_NOISE = 0.01, 4.0  # closer ones have none that is known


class Fit(NamedTuple):
    """What to fit to, weights, and the steps until all useful levels have been added."""

    guide: Guide
    normals: float
    eikonal: float
    ramp: int


def fit_terms(
    field: SDFGrid,
    points: Float[Tensor, "N 3"],
    normals: Float[Tensor, "N 3"],
    *,
    fit: Fit,
    step: int,
    generator: Generator,
) -> dict[str, Tensor]:
    """Surface, normals, eikonal, free and bending terms of points of the unit cube."""
    guide = fit.guide
    finest = field.levels_within(DETAIL / max(guide.noise, 1e-9))
    grown = FIRST + (finest - FIRST + 1) * min(1.0, step / max(fit.ramp, 1))
    field.activate(min(finest, max(1, int(grown))))
    count = len(points)
    chosen = torch.randint(len(guide.free), (count,), generator=generator)
    cell = 1 / field.grid.resolutions[finest - 1]
    jitter = torch.randn(2, count, 3, generator=generator)
    here = points + jitter[0] * max(guide.noise, 0.5 * cell)
    found = field(torch.cat([points, guide.free[chosen], here, here + jitter[1] * cell]))
    slopes = found.gradient.split(count)
    value, around, *_ = found.value.split(count)
    scale = max(guide.noise, LEAST)
    pull = GIVEN if guide.given and guide.noise > LEAST else 1.0
    bending = SMOOTH + SMOOTH_PER_NOISE * guide.noise
    return {
        "surface": pull * huber_loss(value / scale, torch.zeros_like(value)),
        "normals": fit.normals * (slopes[0] - normals).square().sum(1).mean(),
        "eikonal": fit.eikonal * eikonal(found.gradient[count:]),
        "free": FREE * _free_misfit(around, guide, chosen),
        "bending": bending * (slopes[2] - slopes[3]).square().sum(1).mean(),
    }


def _free_misfit(value: Tensor, guide: Guide, chosen: Tensor) -> Tensor:
    """Mean |f - distance| of free points that are clear of the data; where their side is not
    known, on the side on which f has them."""
    distance, side = guide.distance[chosen], guide.side[chosen]
    side = torch.where(side == 0, value.detach().sign(), side)
    clear = distance > PER_NOISE * guide.noise + CLEAR
    return ((value - side * distance).abs() * clear).mean()
