"""Rays: pinhole cameras with OpenCV distortion, box and sphere hits, contraction of space.

Cameras follow OpenCV (x right, y down, z forward) and pixel coordinates are (column, row) with
the picture's upper-left corner at (0, 0), so that the first pixel's centre is (0.5, 0.5).
Distortion is OpenCV's rational model with coefficients (k1, k2, p1, p2, k3, k4, k5, k6).
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rayfield.core.types import Camera

NEWTON_STEPS = 40
PATH_CHECKS = 8
BLOCK = 8192  # points; keeps Newton's many small operations in cache


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


def _radial(r2: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    """The radial factor and its derivative in r^2."""
    k1, k2, _, _, k3, k4, k5, k6 = k.unbind()
    top = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    bottom = 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
    d_top = k1 + r2 * (2 * k2 + r2 * 3 * k3)
    d_bottom = k4 + r2 * (2 * k5 + r2 * 3 * k6)
    return top / bottom, (d_top * bottom - top * d_bottom) / bottom**2


def distort(points: Float[Tensor, "N 2"], k: Float[Tensor, " 8"]) -> Float[Tensor, "N 2"]:
    """Where the lens puts points of the plane z = 1 (OpenCV's rational model, same plane)."""
    x, y = points.unbind(-1)
    p1, p2 = k[2], k[3]
    r2 = x * x + y * y
    radial, _ = _radial(r2, k)
    return torch.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        ],
        dim=-1,
    )


def _jacobian(points: Tensor, k: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Entries (xx, xy, yy) of the symmetric Jacobian of `distort`."""
    x, y = points.unbind(-1)
    p1, p2 = k[2], k[3]
    radial, slope = _radial(x * x + y * y, k)
    xy = 2 * x * y * slope + 2 * p1 * x + 2 * p2 * y
    xx = radial + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x
    yy = radial + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x
    return xx, xy, yy


def _on_first_branch(points: Tensor, k: Tensor) -> Bool[Tensor, " N"]:
    """Whether the lens is one-to-one all the way from the axis out to the points."""
    ok = torch.ones(len(points), dtype=torch.bool)
    for fraction in torch.linspace(1.0 / PATH_CHECKS, 1.0, PATH_CHECKS).tolist():
        xx, xy, yy = _jacobian(points * fraction, k)
        ok &= (xx * yy - xy * xy > 0) & (xx + yy > 0)
    return ok


def undistort(points: Float[Tensor, "N 2"], k: Float[Tensor, " 8"]) -> Float[Tensor, "N 2"]:
    """The inverse of `distort`, by damped Newton steps in double precision, bounded in number.

    NaN where the lens model has no inverse (strong distortion folds the picture over).
    """
    if len(points) == 0:
        return points
    blocks = [_newton(block, k.double()) for block in points.double().split(BLOCK)]
    return torch.cat(blocks).to(points.dtype)


def _newton(target: Tensor, k: Tensor) -> Tensor:
    """`undistort` for one block; a step that does not reduce a point's error is halved."""
    x = target.clone()
    error = distort(x, k) - target
    size = error.norm(dim=-1)
    damping = torch.ones_like(size)
    tolerance = 1e-12 * (1 + target.norm(dim=-1))
    for _ in range(NEWTON_STEPS):
        if bool((size <= tolerance).all()):
            break
        xx, xy, yy = _jacobian(x, k)
        det = xx * yy - xy * xy
        det = torch.where(det.abs() < 1e-12, 1e-12, det)
        ex, ey = error.unbind(-1)
        step = torch.stack([yy * ex - xy * ey, xx * ey - xy * ex], dim=-1) / det[:, None]
        trial = x - damping[:, None] * step
        trial_error = distort(trial, k) - target
        trial_size = trial_error.norm(dim=-1)
        better = trial_size < size
        x = torch.where(better[:, None], trial, x)
        error = torch.where(better[:, None], trial_error, error)
        size = torch.where(better, trial_size, size)
        damping = torch.where(better, (2 * damping).clamp_max(1.0), 0.5 * damping)
    good = (size <= 1e4 * tolerance) & _on_first_branch(x, k)
    return torch.where(good[:, None], x, float("nan"))


def distortion_coefficients(camera: Camera) -> Float[Tensor, " 8"] | None:
    """All eight coefficients of a camera, or None where the lens does not distort."""
    if not any(camera.distortion):
        return None
    padded = (*camera.distortion, *([0.0] * (8 - len(camera.distortion))))
    return torch.tensor(padded, dtype=torch.float64)


def image_plane(camera: Camera, pixels: Float[Tensor, "N 2"]) -> Float[Tensor, "N 2"]:
    """Pixels to the plane z = 1 of the camera, lens undone; NaN where the lens folds."""
    offset = pixels.new_tensor([camera.cx, camera.cy])
    focal = pixels.new_tensor([camera.fx, camera.fy])
    points = (pixels - offset) / focal
    k = distortion_coefficients(camera)
    return points if k is None else undistort(points, k)


def camera_directions(camera: Camera, pixels: Float[Tensor, "N 2"]) -> Float[Tensor, "N 3"]:
    """Unit directions, in the camera's frame, through pixels (column, row)."""
    points = image_plane(camera, pixels)
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

    Points with depth <= 0 lie behind the camera; their pixels mean nothing.
    """
    pose = torch.from_numpy(np.ascontiguousarray(camera.pose)).to(points.dtype)
    offset = points - pose[:3, 3]
    # three dot products, not `@`: starting BLAS threads costs more than so small a product
    x, y, depth = ((offset * axis).sum(-1) for axis in pose[:3, :3].T)
    plane = torch.stack([x / depth, y / depth], dim=-1)
    k = distortion_coefficients(camera)
    if k is not None:
        plane = distort(plane, k.to(plane.dtype))
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
