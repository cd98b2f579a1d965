"""Points as soft discs in pictures: differentiable splatting.

The footprint of a point is a Gaussian of its radius, exp(-q^2 / (2 s^2)) at the distance q from it
on the picture, times its opacity; discs are composited front to back by `math/packed.py`'s algebra
(alpha in place of 1 - exp(-sigma delta)). EWA splatting, Zwicker, Pfister, van Baar, Gross 2001,
with round footprints. The order of points by depth has no gradient.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rayfield.core.types import Rays, Rendered
from rayfield.math import packed
from rayfield.math.boxes import points_in_boxes
from rayfield.render.raster import on_rays
from rayfield.render.screen import project, screens

REACH = 3.0  # radii beyond which a footprint is 0
MOST = 0.999  # opacity of a disc: one point never hides all that is behind it


def weights(
    alpha: Float[Tensor, " K"], ray: Int[Tensor, " K"]
) -> tuple[Float[Tensor, " K"], Float[Tensor, " K"]]:
    """The part of each disc in its ray, alpha times the light that the ones before it let through.

    Discs of one ray are adjacent, front to back. Also the logarithms ln(1 - alpha), whose sum over
    a ray is that of the light left over.
    """
    passed = torch.log1p(-alpha.clamp(max=MOST))
    before = packed.exclusive_sum(passed, ray).to(alpha.dtype)
    return alpha.clamp(max=MOST) * torch.exp(before), passed


def render(
    places: Float[Tensor, "P 3"],
    radii: Float[Tensor, " P"],
    opacities: Float[Tensor, " P"],
    *,
    colors: Float[Tensor, "P 3"],
    rays: Rays,
    background: Float[Tensor, "#R 3"],
) -> Rendered:
    """What rays see of points over a background; radii in scene units. `samples` counts discs."""
    seen = screens(rays)
    at, depth = project(seen, places)
    eyes, count, points = len(seen.eyes), len(places), len(seen.at)
    # points of all eyes in one list: number eye * P + point; a radius shrinks with distance
    size = (seen.distance[:, None] / depth.clamp_min(1e-3) * radii).flatten()
    at, far = at.flatten(0, 1), depth.flatten()
    reach = (REACH * size.detach())[:, None]
    owner = torch.arange(eyes).repeat_interleave(count)
    fixed = at.detach()
    point, disc = points_in_boxes(
        seen.at, fixed - reach, fixed + reach, point_group=seen.eye, box_group=owner
    )
    rank = torch.empty_like(owner)
    rank[far.detach().argsort()] = torch.arange(len(rank))
    order = (point * len(rank) + rank[disc]).argsort()
    point, disc = point[order], disc[order]
    which = disc % count
    square = (seen.at[point] - at[disc]).square().sum(dim=1) / size[disc].square()
    near = (square.detach() <= REACH**2).nonzero()[:, 0]
    point, disc, which = point[near], disc[near], which[near]
    w, passed = weights(opacities[which] * torch.exp(-0.5 * square[near]), point)
    opaque = -torch.expm1(packed.ray_sum(passed, point, n_rays=points))
    total = packed.ray_sum(w, point, n_rays=points).clamp_min(1e-12)
    mean = packed.ray_sum(w[:, None] * colors[which], point, n_rays=points) / total[:, None]
    deep = packed.ray_sum((w * far[disc]).detach(), point, n_rays=points) / total.detach()
    shown = (mean, opaque, deep * seen.stretch, torch.bincount(point, minlength=points))
    return on_rays(seen.ray, len(rays.near), shown, background=background)
