"""Rays as points of pictures: what rasterisers draw on, for any rays and any lens.

Each eye gets a plane through the middle of the scene, across its line of sight to there. Its rays
are the points where they cross that plane, so lengths on it are scene units at the middle. What is
seen depends on the rays alone, not on how they were chosen or in which pictures they came.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rayfield.core.types import Rays

LEAST_FORWARD = 0.1  # cosine to the line of sight from which a ray counts
NEAREST = 0.05  # scene units in front of an eye from which something can be seen
HALF_DIAGONAL = 3**0.5  # of the cube [-1, 1]^3


class Screens(NamedTuple):
    """The pictures of E eyes, and the S rays that can meet the scene as points on them.

    `axes` are rows: right, down, towards the middle; `ray` is the number of each point's ray,
    `stretch` the length along it for one unit of depth.
    """

    eyes: Float[Tensor, "E 3"]
    axes: Float[Tensor, "E 3 3"]
    distance: Float[Tensor, " E"]
    at: Float[Tensor, "S 2"]
    eye: Int[Tensor, " S"]
    ray: Int[Tensor, " S"]
    stretch: Float[Tensor, " S"]


def screens(rays: Rays) -> Screens:
    """The pictures on which rays are points; rays from one eye best come one after the other."""
    opens = torch.ones(len(rays.origins), dtype=torch.bool)
    opens[1:] = (rays.origins[1:] != rays.origins[:-1]).any(dim=1)
    eyes, eye = rays.origins[opens], opens.cumsum(0) - 1
    distance = eyes.norm(dim=1).clamp_min(1e-6)
    forward = -eyes / distance[:, None]
    # any axis will do that is not along the line of sight
    helper = torch.zeros_like(forward).scatter_(1, forward.abs().argmin(dim=1, keepdim=True), 1.0)
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, helper), dim=1)
    axes = torch.stack([right, torch.linalg.cross(forward, right), forward], dim=1)
    local = torch.einsum("rij,rj->ri", axes[eye], rays.directions)
    ray = (local[:, 2] > LEAST_FORWARD).nonzero()[:, 0]
    stretch = 1 / local[ray, 2]
    at = local[ray, :2] * (stretch * distance[eye[ray]])[:, None]
    return Screens(eyes, axes, distance, at, eye[ray], ray, stretch)


def project(
    seen: Screens, points: Float[Tensor, "N 3"]
) -> tuple[Float[Tensor, "E N 2"], Float[Tensor, "E N"]]:
    """Where every eye sees points on its picture, and their depth along its line of sight.

    A point less than NEAREST in front of an eye is NaN on its picture.
    """
    local = torch.einsum("eij,enj->eni", seen.axes, points[None] - seen.eyes[:, None])
    depth = local[..., 2]
    shown = depth > NEAREST
    scale = seen.distance[:, None] / torch.where(shown, depth, 1.0)
    return torch.where(shown[..., None], local[..., :2] * scale[..., None], float("nan")), depth


def closeness(depth: Float[Tensor, " K"], distance: Float[Tensor, " K"]) -> Float[Tensor, " K"]:
    """Depth as a number that is 1 at the near end of the scene, 0 at its far end."""
    return (distance + HALF_DIAGONAL - depth) / (2 * HALF_DIAGONAL)
