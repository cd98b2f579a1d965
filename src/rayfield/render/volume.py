"""Dense volume rendering: the same number of samples on every ray, any field, by quadrature.

Mildenhall et al. 2020 (NeRF), arXiv:2003.08934, Sec. 4. The formulas are `math/quadrature.py`'s.
As in the paper a cell begins at its sample: density and colour found at t_i hold up to t_{i+1}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rayfield.core.types import Rays
from rayfield.math import quadrature
from rayfield.math.rays import contract

INFINITE = 1e10  # length of the last cell in the released code

# points -> density (1 / length of the field's space); the numbers of the points that have any;
# their features
DensityFn = Callable[
    [Float[Tensor, "S 3"]],
    tuple[Float[Tensor, " S"], Int[Tensor, " L"], Float[Tensor, "L F"]],
]
# features, and the number of the ray of each -> RGB
ColorFn = Callable[[Float[Tensor, "L F"], Int[Tensor, " L"]], Float[Tensor, "L 3"]]


class Cells(NamedTuple):
    """Rays cut into cells at `edges`; the field is asked at `points`, in its own space, whose
    length along the ray is `speed` times that of t."""

    points: Float[Tensor, "R N 3"]
    edges: Float[Tensor, "R N+1"]
    speed: Float[Tensor, "R N"]


class Volume(NamedTuple):
    """What rays see: colour over the background, opacity, the mean and the median of t where they
    end (0 where opacity is 0, or below one half), and the weight of each cell."""

    color: Float[Tensor, "R 3"]
    opacity: Float[Tensor, " R"]
    depth: Float[Tensor, " R"]
    median: Float[Tensor, " R"]
    weights: Float[Tensor, "R N"]


def straight(rays: Rays, t: Float[Tensor, "R N"], *, infinite: bool = False) -> Cells:
    """Cells of rays in a space where rays are straight; directions may have any length.

    The last cell reaches to `far`, or with `infinite`, as in the released code, 1e10 beyond the
    last sample: then any density there is a wall, and opacity 1.
    """
    edges = _edges(rays, t, infinite)
    points = rays.origins[:, None] + t[..., None] * rays.directions[:, None]
    return Cells(points, edges, rays.directions.norm(dim=-1)[:, None].expand_as(t))


def contracted(rays: Rays, t: Float[Tensor, "R N"], *, infinite: bool = False) -> Cells:
    """Cells of unbounded rays (unit directions) for a field on contracted space.

    Lengths are measured there (chords of the contracted ray): density is then of order 1 at any
    distance, where a metric one would have to fall with the length of the cells.
    """
    edges = _edges(rays, t, infinite)
    points = contract(rays.origins[:, None] + edges[..., None] * rays.directions[:, None])
    delta = edges.diff(dim=-1)
    speed = points.diff(dim=1).norm(dim=-1) / delta.clamp_min(1e-10)
    return Cells(points[:, :-1], edges, torch.where(delta > 0, speed, 1.0))


def render(
    density: DensityFn,
    color: ColorFn,
    cells: Cells,
    *,
    background: Float[Tensor, "#R 3"],
) -> Volume:
    """Colour, opacity and depth along rays over a background (one for all rays, or one each)."""
    rays, n = cells.speed.shape
    sigma, live, features = density(cells.points.flatten(0, 1))
    sigma = sigma.view(rays, n) * cells.speed
    w = quadrature.weights(sigma, cells.edges.diff(dim=-1))
    rgb = color(features, live // n)
    rgb = rgb.new_zeros(rays * n, 3).index_copy(0, live, rgb).view(rays, n, 3)
    return Volume(
        color=quadrature.composite(w, rgb, background),
        opacity=quadrature.opacity(w),
        depth=quadrature.expected_depth(w, cells.edges[:, :-1]),
        median=quadrature.median_depth(sigma.detach(), cells.edges),
        weights=w,
    )


def normals(
    density: Callable[[Float[Tensor, "N 3"]], Float[Tensor, " N"]], points: Float[Tensor, "N 3"]
) -> Float[Tensor, "N 3"]:
    """Unit normals of the level sets of density, out of the dense side: -grad sigma / |grad sigma|.

    0 where density does not change. Gradients are enabled inside.
    """
    with torch.enable_grad():
        x = points.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(density(x).sum(), x)
    return -torch.nn.functional.normalize(gradient, dim=-1)


def _edges(rays: Rays, t: Float[Tensor, "R N"], infinite: bool) -> Float[Tensor, "R N+1"]:
    last = t[:, -1:] + INFINITE if infinite else rays.far[:, None]
    return torch.cat([t, last], dim=-1)
