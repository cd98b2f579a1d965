"""Soft rasteriser: triangles as probability maps, so that pictures of a mesh have gradients.

Soft Rasterizer, Liu, Li, Chen, Li 2019, arXiv:1904.01786: coverage D = sigmoid(s q^2 / sigma) of
the distance q to the triangle's border, s = +1 inside and -1 outside (eq. 1); silhouettes
1 - prod(1 - D) (eq. 4); colours by a softmax over depth (eq. 2).

Departures: coverage below 1e-3 is 0, so that a pixel only meets triangles near it; the product is
a sum of logarithms; colours are composited over the background by the silhouette instead of
giving the background a weight among the triangles; where in a triangle a pixel lies, and how
deep, is taken as fixed: vertices learn through coverage alone.

`softness` is sqrt(sigma), a length on the picture.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from rayfield.core.types import Rays, Rendered
from rayfield.math.boxes import points_in_boxes
from rayfield.render.screen import closeness, project, screens

REACH = 2.63  # in units of softness: there coverage is 1e-3


class Fragments(NamedTuple):
    """Pairs of a point and a face near it.

    `score` is s q^2 / sigma, the logit of coverage; `weights` are barycentric coordinates of the
    point, moved into the triangle and without gradient.
    """

    point: Int[Tensor, " K"]
    face: Int[Tensor, " K"]
    score: Float[Tensor, " K"]
    weights: Float[Tensor, "K 3"]


def fragments(
    points: Float[Tensor, "P 2"],
    corners: Float[Tensor, "F 3 2"],
    softness: float,
    *,
    point_group: Int[Tensor, " P"],
    face_group: Int[Tensor, " F"],
) -> Fragments:
    """All pairs of points and triangles of one group whose coverage is 1e-3 or more."""
    reach = REACH * softness
    fixed = corners.detach()
    low, high = fixed.amin(dim=1) - reach, fixed.amax(dim=1) + reach
    point, face = points_in_boxes(points, low, high, point_group=point_group, box_group=face_group)
    edge, part, inside, weights, kept = _nearest(points[point], fixed[face], reach)
    point, face = point[kept], face[kept]
    # The nearest point of the border moves with the ends of its edge alone: at the minimum the
    # derivative with respect to the place along the edge is 0 (envelope theorem).
    flat = corners.flatten(0, 1)
    start = flat.index_select(0, 3 * face + edge)
    end = flat.index_select(0, 3 * face + (edge + 1) % 3)
    offset = points[point] - torch.lerp(start, end, part[:, None])
    score = offset.square().sum(dim=1) * (inside / softness**2)
    return Fragments(point, face, score, weights)


@torch.no_grad()
def _nearest(p: Tensor, corners: Tensor, reach: float) -> tuple[Tensor, ...]:
    """For each point and triangle: the nearest edge, the place along it from 0 to 1, +1 inside or
    -1 outside, barycentric coordinates; of those within reach, which are numbered last."""
    px, py = p.T.contiguous()
    x, y = corners.permute(2, 1, 0).contiguous()  # one row a corner: whole columns are quick
    squares, parts, turns = [], [], []
    for start, end in ((0, 1), (1, 2), (2, 0)):
        along_x, along_y = x[end] - x[start], y[end] - y[start]
        away_x, away_y = px - x[start], py - y[start]
        part = away_x * along_x + away_y * along_y
        part.div_((along_x * along_x).addcmul_(along_y, along_y).clamp_min_(1e-20)).clamp_(0, 1)
        turns.append(along_x * away_y - along_y * away_x)
        away_x.addcmul_(part, along_x, value=-1)
        away_y.addcmul_(part, along_y, value=-1)
        squares.append(away_x.square_().addcmul_(away_y, away_y))
        parts.append(part)
    least = torch.minimum(torch.minimum(squares[0], squares[1]), squares[2])
    area = turns[0] + turns[1] + turns[2]
    sign = area.sign()
    within = (turns[0] * sign > 0) & (turns[1] * sign > 0) & (turns[2] * sign > 0)
    kept = (within | (least <= reach**2)).nonzero()[:, 0]
    square, part, turn = (
        torch.stack([row.index_select(0, kept) for row in rows]) for rows in (squares, parts, turns)
    )
    first = (square[0] <= square[1]) & (square[0] <= square[2])
    edge = torch.where(square[1] <= square[2], 1, 2).masked_fill_(first, 0)
    part = part.gather(0, edge[None])[0]
    weights = (turn * sign[kept])[[1, 2, 0]].clamp_min_(0)
    total = weights.sum(dim=0)
    weights = torch.where(total > 0, weights / total, 1 / 3).T
    return edge, part, within[kept].to(p.dtype) * 2 - 1, weights, kept


def silhouette(found: Fragments, points: int) -> Float[Tensor, " {points}"]:
    """The probability that any triangle covers each of `points` points, 1 - prod(1 - D)."""
    light = found.score.new_zeros(points)
    return -torch.expm1(light.index_add(0, found.point, functional.logsigmoid(-found.score)))


def shares(
    found: Fragments, near: Float[Tensor, " K"], points: int, *, sharpness: float
) -> Float[Tensor, " K"]:
    """The part of each triangle in the colour of its point: they add up to 1 at each point.

    Proportional to D exp(sharpness * near); `near` grows towards the eye.
    """
    logit = functional.logsigmoid(found.score) + sharpness * near
    top = logit.new_full((points,), -torch.inf)
    top.scatter_reduce_(0, found.point, logit.detach(), "amax")
    raw = torch.exp(logit - top[found.point])
    return raw / raw.new_zeros(points).index_add(0, found.point, raw)[found.point]


def render(
    vertices: Float[Tensor, "V 3"],
    faces: Int[Tensor, "F 3"],
    colors: Float[Tensor, "V 3"],
    *,
    rays: Rays,
    softness: float,
    sharpness: float,
    background: Float[Tensor, "#R 3"],
) -> Rendered:
    """What rays see of a mesh, softly, over a background.

    `softness` in scene units at the middle of the scene, `sharpness` of the choice between
    triangles at different depths (1 / gamma). `samples` counts the triangles near each ray.
    """
    seen = screens(rays)
    at, depth = project(seen, vertices)
    eyes, count, points = len(seen.eyes), len(faces), len(seen.at)
    # faces of all eyes in one list: face number eye * F + face
    corners = at[:, faces].flatten(0, 1)
    owner = torch.arange(eyes).repeat_interleave(count)
    found = fragments(seen.at, corners, softness, point_group=seen.eye, face_group=owner)
    eye = owner[found.face]
    corner = faces[found.face - eye * count]
    # perspective: values are linear in the picture after division by depth
    inverse = found.weights / depth.detach()[eye[:, None], corner]
    deep = 1 / inverse.sum(dim=1)
    near = closeness(deep, seen.distance[eye])
    share = shares(found, near, points, sharpness=sharpness)
    rgb = ((inverse * deep[:, None])[..., None] * colors[corner]).sum(dim=1)
    opaque = silhouette(found, points)
    zero = opaque.new_zeros(points)
    mean = rgb.new_zeros(points, 3).index_add(0, found.point, share[:, None] * rgb)
    far = zero.index_add(0, found.point, (share * deep).detach()) * seen.stretch
    near_ones = torch.bincount(found.point, minlength=points)
    return on_rays(seen.ray, len(rays.near), (mean, opaque, far, near_ones), background=background)


def on_rays(
    ray: Int[Tensor, " S"],
    rays: int,
    shown: tuple[Tensor, Tensor, Tensor, Tensor],
    *,
    background: Float[Tensor, "#{rays} 3"],
) -> Rendered:
    """Colour (where opaque), opacity, depth, samples of points given to all rays over a background.

    Rays without a point see the background.
    """
    mean, opaque, far, samples = shown
    opacity = opaque.new_zeros(rays).index_add(0, ray, opaque)
    color = mean.new_zeros(rays, 3).index_add(0, ray, mean * opaque[:, None])
    depth = far.new_zeros(rays).index_add(0, ray, far * (opaque > 0))
    color = color + (1 - opacity)[:, None] * background
    return Rendered(color, opacity, depth, samples.new_zeros(rays).index_add(0, ray, samples))
