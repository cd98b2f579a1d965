"""Pictures as a pinhole would have taken them: lenses undone by resampling.

The centre of projection and the optical axis stay. The pinhole's view is the widest that the
picture shows all of, so no pixel is made up and a little of the border may be lost. A fisheye keeps
the scale of its middle: what is farther out than its picture's size then reaches is lost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from rayfield.core.types import Camera
from rayfield.math.rays import camera_directions, pixel_grid, project

WIDEST, NARROWEST = 0.25, 8.0  # factors on the focal length that are tried
HALVINGS = 45
BORDER = 33  # points on each side of a picture
SAME = 1e-8  # relative difference of intrinsics that moves no pixel
ROWS = 2**18  # pixels resampled at a time


def centred(camera: Camera) -> bool:
    """Whether a camera is a pinhole with square pixels whose axis meets the picture's middle."""
    middle = replace(camera, fy=camera.fx, cx=camera.width / 2, cy=camera.height / 2)
    return camera.pinhole and same_lens(camera, middle)


def same_lens(camera: Camera, other: Camera) -> bool:
    """Whether two cameras, wherever they are, put everything at the same pixels."""
    if (camera.width, camera.height, camera.lens) != (other.width, other.height, other.lens):
        return False
    scale = max(camera.fx, camera.fy)
    pairs = (
        (camera.fx, other.fx),
        (camera.fy, other.fy),
        (camera.cx, other.cx),
        (camera.cy, other.cy),
    )
    near = all(abs(a - b) <= SAME * scale for a, b in pairs)
    k = zip_longest(camera.distortion, other.distortion, fillvalue=0.0)
    return near and all(a == b for a, b in k)


def pinhole_within(camera: Camera, *, middle: bool = False) -> Camera:
    """The pinhole of the widest view that is all in a camera's picture; of its size, if it can be.

    With `middle` its pixels are square and its axis meets the picture's middle. Raises ValueError
    where there is none: the axis meets the picture outside, or the lens folds near it.
    """
    plain = replace(camera, distortion=(), lens="perspective")
    if middle:
        half = min(camera.cx, camera.width - camera.cx), min(camera.cy, camera.height - camera.cy)
        width, height = (math.floor(2 * side + SAME) for side in half)
        if min(width, height) < 1:
            raise ValueError("the optical axis meets the picture outside")
        focal = max(camera.fx, camera.fy)
        plain = replace(plain, width=width, height=height, fx=focal, fy=focal)
        plain = replace(plain, cx=width / 2, cy=height / 2)
    if camera.pinhole:
        return plain
    low = 1.0 if camera.lens == "fisheye" else WIDEST
    if _shown(_zoomed(plain, low), camera):
        return _zoomed(plain, low)
    high = NARROWEST
    if not _shown(_zoomed(plain, high), camera):
        raise ValueError("the lens folds too near to the middle")
    for _ in range(HALVINGS):
        half_way = (low + high) / 2
        low, high = (
            (low, half_way) if _shown(_zoomed(plain, half_way), camera) else (half_way, high)
        )
    return _zoomed(plain, high)


def one_for_all(cameras: Sequence[Camera]) -> Camera:
    """The centred pinhole, at any place, whose picture is within those of centred pinholes."""
    return replace(
        cameras[0],
        width=(width := min(camera.width for camera in cameras)),
        height=(height := min(camera.height for camera in cameras)),
        fx=(focal := max(camera.fx for camera in cameras)),
        fy=focal,
        cx=width / 2,
        cy=height / 2,
    )


def _zoomed(camera: Camera, factor: float) -> Camera:
    return replace(camera, fx=camera.fx * factor, fy=camera.fy * factor)


def _border(camera: Camera) -> Float[Tensor, "B 2"]:
    """Points all around a picture's border."""
    steps = torch.linspace(0, 1, BORDER, dtype=torch.float64)
    zero, one = torch.zeros_like(steps), torch.ones_like(steps)
    sides = [(steps, zero), (steps, one), (zero, steps), (one, steps)]
    points = torch.cat([torch.stack(side, dim=-1) for side in sides])
    return points * points.new_tensor([camera.width, camera.height])


def _shown(pinhole: Camera, camera: Camera) -> bool:
    """Whether a camera's picture shows all of a pinhole's at the same place."""
    here = replace(camera, pose=np.eye(4))
    directions = camera_directions(pinhole, _border(pinhole))
    pixels, _ = project(here, directions)
    size = pixels.new_tensor([camera.width, camera.height])
    slack = SAME * size.max()
    if not ((pixels >= -slack) & (pixels <= size + slack)).all():
        return False
    back = camera_directions(here, pixels)  # another direction beyond a fold
    return bool(((back - directions).norm(dim=-1) < 1e-6).all())


def kept_share(camera: Camera, pinhole: Camera) -> float:
    """The part of a camera's picture that a pinhole's at the same place shows, in [0, 1]."""
    grid = pixel_grid(BORDER, BORDER)
    pixels = grid * grid.new_tensor([camera.width, camera.height]) / BORDER
    directions = camera_directions(camera, pixels)
    found, depth = project(replace(pinhole, pose=np.eye(4)), directions)
    size = found.new_tensor([pinhole.width, pinhole.height])
    return float(((found >= 0) & (found <= size)).all(dim=1).logical_and(depth > 0).double().mean())


def resampled(
    picture: UInt8[np.ndarray, "H W C"], camera: Camera, pinhole: Camera
) -> UInt8[np.ndarray, "h w C"]:
    """A camera's picture as a pinhole at the same place takes it.

    By bicubic interpolation; of greys and of pictures with alpha by bilinear one, colours weighted
    by alpha.
    """
    channels = picture.shape[-1]
    source = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).float()
    if channels == 4:
        source[:3] *= source[3:] / 255
    mode = "bicubic" if channels == 3 else "bilinear"
    here = replace(camera, pose=np.eye(4))
    size = torch.tensor([camera.width, camera.height], dtype=torch.float64)
    result = np.empty((pinhole.height, pinhole.width, channels), np.uint8)
    rows = max(1, ROWS // pinhole.width)
    for first in range(0, pinhole.height, rows):
        count = min(rows, pinhole.height - first)
        pixels = pixel_grid(pinhole.width, count) + torch.tensor([0.0, float(first)])
        seen, _ = project(here, camera_directions(pinhole, pixels))
        grid = (2 * seen / size - 1).float().reshape(1, count, pinhole.width, 2)
        part = torch.nn.functional.grid_sample(
            source[None], grid, mode=mode, padding_mode="border", align_corners=False
        )[0]
        if channels == 4:
            part[:3] *= 255 / part[3:].clamp_min(0.5)
        values = part.clamp(0, 255).add_(0.5).to(torch.uint8)
        result[first : first + count] = values.permute(1, 2, 0).numpy()
    return result
