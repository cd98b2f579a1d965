"""A part of a picture: the rays of a small camera, asked of the field and drawn as a mode asks."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from rayfield.app.drawing.normals import normal_map
from rayfield.app.learned.field import TrainedField, View
from rayfield.app.viewer.messages import Look
from rayfield.core.drawing import bytes_of
from rayfield.core.types import Camera, Rays
from rayfield.data.pixels import camera_rays
from rayfield.math.rays import ray_box

SEEN = 0.5  # opacity from which a pixel has a depth
DEPTHS, COUNTS = mpl.colormaps["magma"], mpl.colormaps["viridis"]
STEADY = 0.7  # of a range of values that is kept when the camera moves on


class Tile(NamedTuple):
    """What the field tells of a camera's pixels; `values` are what the mode shows: colours,
    normals, or one number."""

    values: Float[np.ndarray, "H W C"]
    depth: Float[np.ndarray, "H W"]
    opacity: Float[np.ndarray, "H W"]


class Range(NamedTuple):
    """The values that the ends of a scale of colours stand for."""

    low: float
    high: float


def cut(camera: Camera, *, column: int, row: int, width: int, height: int) -> Camera:
    """The camera of a part of the picture."""
    return replace(camera, width=width, height=height, cx=camera.cx - column, cy=camera.cy - row)


def render_tile(field: TrainedField, camera: Camera, look: Look) -> Tile:
    """Ask the field for the rays of a camera (scene_from_camera)."""
    rays = camera_rays(camera, field.traits)
    rays = rays._replace(image=torch.full_like(rays.image, field.image))
    asked = None
    if look.crop is not None:
        rays, asked = cropped(rays, look.crop)
    size = (camera.height, camera.width)
    background = torch.tensor(look.background)
    count = len(rays.near)
    color, depth, opacity = background.repeat(count, 1), torch.zeros(count), torch.zeros(count)
    samples = torch.zeros(count)
    some = torch.arange(count) if asked is None else asked.nonzero()[:, 0]
    if len(some):
        part = rays if asked is None else Rays(*(x[some] for x in rays))
        with torch.no_grad():
            got = field.method.render(field.model, part, field.cfg, background=background)
        color[some], depth[some], opacity[some] = got.color, got.depth, got.opacity
        samples[some] = got.samples.float()
    seen = View(_plain(color, *size, 3).clip(0, 1), _plain(depth, *size), _plain(opacity, *size))
    values = {"depth": seen.depth[..., None], "samples": _plain(samples, *size, 1)}.get(look.mode)
    if look.mode == "normals":
        values = normal_map(field, camera, seen)
    return Tile(seen.color if values is None else values, seen.depth, seen.opacity)


def cropped(
    rays: Rays, box: tuple[tuple[float, float, float], tuple[float, float, float]]
) -> tuple[Rays, Bool[Tensor, " R"]]:
    """The part of rays that is inside a box, and which of them have one."""
    low, high = torch.tensor(box[0]), torch.tensor(box[1])
    half = (0.5 * (high - low)).clamp_min(1e-9)
    centre = 0.5 * (low + high)
    first, last = ray_box((rays.origins - centre) / half, rays.directions / half)
    near, far = torch.maximum(rays.near, first), torch.minimum(rays.far, last)
    inside = far > near
    return rays._replace(near=near * inside, far=far * inside), inside


def range_of(tile: Tile, look: Look, before: Range | None) -> Range | None:
    """Between which values most of a picture's pixels lie; follows slowly what was `before`.

    None where the mode has no scale.
    """
    if look.mode == "depth":
        values = tile.values[tile.opacity >= SEEN]
    elif look.mode == "samples":
        values = tile.values
    else:
        return None
    if not values.size:
        return before or Range(0.0, 1.0)
    low, high = np.quantile(values, [0.01, 0.99])
    if look.mode == "samples":
        low = 0.0
    found = Range(float(low), float(max(high, low * 1.01, low + 1e-6)))
    if before is None:
        return found
    return Range(*(STEADY * b + (1 - STEADY) * f for b, f in zip(before, found, strict=True)))


def draw(tile: Tile, look: Look, scale: Range | None) -> UInt8[np.ndarray, "H W 3"]:
    """The picture of a tile in the look's mode."""
    if look.mode == "color":
        return bytes_of(tile.values)
    opacity = np.clip(tile.opacity, 0, 1)[..., None]
    if look.mode == "opacity":
        return bytes_of(np.repeat(opacity, 3, axis=-1))
    if look.mode == "normals":
        color = 0.5 + 0.5 * tile.values
    else:
        shade = _shade(tile.values[..., 0], look, scale or Range(0.0, 1.0))
        if look.mode == "samples":
            return bytes_of(COUNTS(shade)[..., :3])
        color = DEPTHS(shade)[..., :3]
    return bytes_of(color * opacity + np.array(look.background) * (1 - opacity))


def _shade(values: Float[np.ndarray, "H W"], look: Look, scale: Range) -> Float[np.ndarray, "H W"]:
    """Values in [0, 1]; near depths are bright, evenly in 1 / depth."""
    if look.mode == "depth":
        values = 1 / np.maximum(values, 1e-6)
        scale = Range(1 / max(scale.high, 1e-6), 1 / max(scale.low, 1e-6))
    return np.clip((values - scale.low) / max(scale.high - scale.low, 1e-9), 0, 1)


def _plain(values: Tensor, *shape: int) -> np.ndarray:
    """As an array of that shape, without what is not finite."""
    return np.nan_to_num(values.numpy().reshape(shape), nan=0.0, posinf=0.0, neginf=0.0)
