"""Normalised device coordinates: the endless frustum in front of a camera as the cube [-1, 1]^3.

Mildenhall et al. 2020 (NeRF), arXiv:2003.08934, Appendix C, in OpenCV's axes (x right, y down,
z forward; the paper's y and z point the other way). With depth z in front of the reference camera,
near plane n, and the picture's half width w and half height h at depth 1, a point becomes

    (x / (w z), y / (h z), 1 - 2 n / z):

z' is -1 at the near plane, 1 at infinity, and linear in disparity. Straight rays stay straight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class Frustum(NamedTuple):
    """A reference camera: its axes (columns: right, down, forward), its centre, the depth of the
    near plane, and half the picture's width and height at depth 1."""

    axes: Float[Tensor, "3 3"]
    centre: Float[Tensor, " 3"]
    near: float
    half: Float[Tensor, " 2"]


def frustum(numbers: Sequence[float], *, like: Tensor) -> Frustum:
    """The frustum of `SceneTraits.forward`: 12 numbers of the pose, row by row, near, half sizes.

    `like` gives dtype and device.
    """
    values = like.new_tensor(numbers)
    pose = values[:12].view(3, 4)
    return Frustum(pose[:, :3], pose[:, 3], float(numbers[12]), values[13:])


def warp(points: Float[Tensor, "*B 3"], f: Frustum) -> Float[Tensor, "*B 3"]:
    """Points, in front of the camera, to normalised device coordinates."""
    x = (points - f.centre) @ f.axes
    depth = x[..., 2:]
    return torch.cat([x[..., :2] / (f.half * depth), 1 - 2 * f.near / depth], dim=-1)


def warp_rays(
    origins: Float[Tensor, "R 3"], directions: Float[Tensor, "R 3"], f: Frustum
) -> tuple[Float[Tensor, "R 3"], Float[Tensor, "R 3"]]:
    """Rays as o' + t' d' in normalised device coordinates, t' in [0, 1): eq. 25-26.

    t' = 0 is the near plane and t' = 1 infinity; d' is not a unit vector. The rays must lead away
    from the camera (`leads_away`).
    """
    o, d, start = _from_near_plane(origins, directions, f)
    o = o + start[:, None] * d
    slope = o[:, :2] / o[:, 2:]
    origin = torch.cat([slope / f.half, 1 - 2 * f.near / o[:, 2:]], dim=-1)
    direction = torch.cat([(d[:, :2] / d[:, 2:] - slope) / f.half, 2 * f.near / o[:, 2:]], dim=-1)
    return origin, direction


def distance(
    t: Float[Tensor, " R"],
    origins: Float[Tensor, "R 3"],
    directions: Float[Tensor, "R 3"],
    *,
    f: Frustum,
) -> Float[Tensor, " R"]:
    """Lengths along the rays in space for parameters t' in [0, 1] of the warped rays.

    t' = 1 - n / (n + (t - t_near) d_z), inverted; at most 1e6 near planes away.
    """
    _, d, start = _from_near_plane(origins, directions, f)
    return start + f.near / d[:, 2] * t / (1 - t).clamp_min(1e-6)


def start(origins: Float[Tensor, "R 3"], f: Frustum) -> Float[Tensor, " R"]:
    """The parameter t' at which rays begin: 0, or more for origins beyond the near plane."""
    depth = (origins - f.centre) @ f.axes[:, 2]
    return 1 - f.near / depth.clamp_min(f.near)


def leads_away(directions: Float[Tensor, "R 3"], f: Frustum) -> Bool[Tensor, " R"]:
    """Whether rays gain depth: only those cross the near plane and reach infinity."""
    return directions @ f.axes[:, 2] > 1e-6


def stretch(points: Float[Tensor, "N 3"], f: Frustum) -> Float[Tensor, " N"]:
    """Length in normalised device coordinates of a unit of length at the points, away from the
    reference camera's centre: 2 n / (z |x|); 0 for points in front of the near plane."""
    x = (points - f.centre) @ f.axes
    found = 2 * f.near / (x[:, 2] * x.norm(dim=-1)).clamp_min(1e-12)
    return torch.where(x[:, 2] >= f.near, found, 0.0)


def _from_near_plane(
    origins: Tensor, directions: Tensor, f: Frustum
) -> tuple[Tensor, Tensor, Tensor]:
    """Origins and directions in the camera's axes, and where the rays cross the near plane."""
    o, d = (origins - f.centre) @ f.axes, directions @ f.axes
    return o, d, (f.near - o[:, 2]) / d[:, 2]
