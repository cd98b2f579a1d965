"""Rays: cameras and their lenses, box and sphere hits, contraction of space.

Cameras follow OpenCV (x right, y down, z forward) and pixel coordinates are (column, row) with
the picture's upper-left corner at (0, 0), so that the first pixel's centre is (0.5, 0.5).
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from rayfield.core.types import Camera
from rayfield.math import lens


def pixel_grid(
    width: int, height: int, *, pixel_offset: float = 0.5, dtype: torch.dtype = torch.float64
) -> Float[Tensor, "N 2"]:
    """Coordinates (column, row) of all H*W pixels, row-major.

    `pixel_offset` 0.5 is the pixels' centre; 0.0 reproduces the corner rule of the original NeRF
    code (mip-NeRF's ablation credits the centre with half a decibel).
    """
    columns = torch.arange(width, dtype=dtype) + pixel_offset
    rows = torch.arange(height, dtype=dtype) + pixel_offset
    grid = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([grid[1], grid[0]], dim=-1).reshape(-1, 2)


def camera_directions(camera: Camera, pixels: Float[Tensor, "N 2"]) -> Float[Tensor, "N 3"]:
    """Unit directions, in the camera's frame, through pixels (column, row); the lens is undone.

    NaN for pixels that the lens cannot have made, as it would fold the picture over.
    """
    offset = pixels.new_tensor([camera.cx, camera.cy])
    focal = pixels.new_tensor([camera.fx, camera.fy])
    points = (pixels - offset) / focal
    if camera.lens == "fisheye":
        radius = points.norm(dim=-1)
        angle = lens.fisheye_angle(radius, camera.distortion)
        aside = torch.where(radius > 1e-9, angle.sin() / radius.clamp_min(1e-9), 1.0)
        return torch.cat([points * aside[:, None], angle.cos()[:, None]], dim=-1)
    if any(camera.distortion):
        points = lens.undistort(points, lens.padded(camera.distortion))
    directions = torch.cat([points, torch.ones_like(points[:, :1])], dim=-1)
    return directions / directions.norm(dim=-1, keepdim=True)


def camera_rays(
    camera: Camera, pixels: Float[Tensor, "N 2"]
) -> tuple[Float[Tensor, "N 3"], Float[Tensor, "N 3"]]:
    """Origins and unit directions, in the frame of the camera's pose, through pixels."""
    pose = torch.from_numpy(np.ascontiguousarray(camera.pose)).to(pixels.dtype)
    directions = camera_directions(camera, pixels) @ pose[:3, :3].T
    return pose[:3, 3].expand_as(directions), directions


def project(
    camera: Camera, points: Float[Tensor, "N 3"]
) -> tuple[Float[Tensor, "N 2"], Float[Tensor, " N"]]:
    """Pixels (column, row) of points in the pose's frame, and their depth along the axis.

    Points with depth <= 0 lie behind the camera; their pixels mean nothing, but of a fisheye.
    """
    pose = torch.from_numpy(np.ascontiguousarray(camera.pose)).to(points.dtype)
    offset = points - pose[:3, 3]
    # three dot products, not `@`: starting BLAS threads costs more than so small a product
    x, y, depth = ((offset * axis).sum(-1) for axis in pose[:3, :3].T)
    if camera.lens == "fisheye":
        aside = torch.hypot(x, y)
        radius = lens.fisheye_radius(torch.atan2(aside, depth), camera.distortion)
        factor = torch.where(aside > 1e-12, radius / aside.clamp_min(1e-12), 1 / depth)
        plane = torch.stack([x * factor, y * factor], dim=-1)
    else:
        plane = torch.stack([x / depth, y / depth], dim=-1)
        if any(camera.distortion):
            plane = lens.distort(plane, lens.padded(camera.distortion).to(plane.dtype))
    focal = points.new_tensor([camera.fx, camera.fy])
    return plane * focal + points.new_tensor([camera.cx, camera.cy]), depth


def ray_box(
    origins: Float[Tensor, "R 3"],
    directions: Float[Tensor, "R 3"],
    *,
    lower: float = -1.0,
    upper: float = 1.0,
) -> tuple[Float[Tensor, " R"], Float[Tensor, " R"]]:
    """Where rays enter and leave the cube [lower, upper]^3 (slab method, Kay and Kajiya 1986).

    Lengths along the directions; the entry is 0 for a ray that starts inside; both are 0 on a miss.
    """
    # a direction along a face would divide by zero
    inverse = 1.0 / torch.where(directions.abs() < 1e-12, 1e-12, directions)
    a = (lower - origins) * inverse
    b = (upper - origins) * inverse
    near = torch.minimum(a, b).amax(-1).clamp_min(0.0)
    far = torch.maximum(a, b).amin(-1)
    hit = far > near
    return near * hit, far * hit


def ray_sphere(
    origins: Float[Tensor, "R 3"], directions: Float[Tensor, "R 3"], *, radius: float = 1.0
) -> tuple[Float[Tensor, " R"], Float[Tensor, " R"]]:
    """Where rays enter and leave the sphere about the origin, for unit directions.

    The entry is 0 for a ray that starts inside; both are equal on a tangent, and 0 on a miss.
    """
    middle = -(origins * directions).sum(-1)
    # the foot of the perpendicular, not b^2 - c: it does not cancel far from the sphere
    foot = origins + middle[:, None] * directions
    half_squared = radius**2 - (foot * foot).sum(-1)
    half = half_squared.clamp_min(0.0).sqrt()
    hit = (half_squared >= 0) & (middle + half > 0)
    return (middle - half).clamp_min(0.0) * hit, (middle + half) * hit


def contract(points: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3"]:
    """Space into the ball of radius 2; the identity in the unit ball (mip-NeRF 360, eq. 10)."""
    norm = points.norm(dim=-1, keepdim=True).clamp_min(1.0)
    return (2 - 1 / norm) / norm * points


def uncontract(points: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3"]:
    """The inverse of `contract`, for points of norm below 2."""
    norm = points.norm(dim=-1, keepdim=True).clamp_min(1.0)
    return points / (norm * (2 - norm))
