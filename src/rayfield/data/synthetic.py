"""Made-up data with exact answers: boxes and balls, ray-traced in closed form into posed pictures.

`write_toys` makes a small class of scenes (a ball on a box, each of its own size and colour) for
methods that learn across scenes. The files are those of NeRF's synthetic scenes.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from PIL import Image

from rayfield.core.types import Camera
from rayfield.data.poses import OPENCV_FROM_OPENGL
from rayfield.math.rays import camera_rays, pixel_grid

ANGLE_X = 0.6911112  # horizontal field of view, radians, of NeRF's synthetic scenes
DISTANCE = 4.0  # of the cameras from the origin
OVERSAMPLING = 3  # squared: rays a pixel
AMBIENT = 0.45
FLOOR = -0.75  # height on which toys stand
LIGHT = np.array([0.36, -0.48, 0.8])  # unit vector towards the light

Vectors = Float[np.ndarray, "R 3"]


class Solid(NamedTuple):
    """A matte ellipsoid (`round`) or box with its axes along the world's."""

    round: bool
    centre: tuple[float, float, float]
    half: tuple[float, float, float]  # semi-axes, or half of the sides
    color: tuple[float, float, float]  # sRGB in [0, 1] where fully lit


def trace(
    solids: tuple[Solid, ...], origins: Vectors, directions: Vectors
) -> tuple[Float[np.ndarray, "R 4"], Float[np.ndarray, " R"]]:
    """Straight-alpha RGBA and depth of the first surface that rays from outside hit.

    Where nothing is hit all of it is 0. Depth is in lengths of `directions`.
    """
    rgba, depth = np.zeros((len(origins), 4)), np.full(len(origins), np.inf)
    for solid in solids:
        reach, normals = _hit(solid, origins, directions)
        nearer = reach < depth
        light = AMBIENT + (1 - AMBIENT) * (normals[nearer] @ LIGHT).clip(0)
        rgba[nearer, :3], rgba[nearer, 3] = light[:, None] * np.array(solid.color), 1.0
        depth[nearer] = reach[nearer]
    return rgba, np.where(np.isfinite(depth), depth, 0.0)


def _hit(solid: Solid, origins: Vectors, directions: Vectors) -> tuple[np.ndarray, Vectors]:
    """Where rays enter a solid (inf on a miss), and its outward unit normals there."""
    half = np.array(solid.half)
    o, d = (origins - np.array(solid.centre)) / half, directions / half
    if solid.round:  # |o + t d| = 1
        a, b, c = (d * d).sum(1), (o * d).sum(1), (o * o).sum(1) - 1
        square = b * b - a * c
        t, hit = (-b - np.sqrt(square.clip(0))) / a, square > 0
    else:  # the slabs |o + t d| <= 1
        d = np.where(np.abs(d) < 1e-12, 1e-12, d)
        ends = np.stack([(-1 - o) / d, (1 - o) / d])
        t, leave = ends.min(0).max(1), ends.max(0).min(1)
        hit = t < leave
    points = o + t[:, None] * d
    if not solid.round:
        points = np.where(np.abs(points) > 1 - 1e-6, np.sign(points), 0.0)
    normals = points / half
    normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12)
    return np.where(hit & (t > 0), t, np.inf), normals


def picture(solids: tuple[Solid, ...], camera: Camera) -> Float[np.ndarray, "H W 4"]:
    """Straight-alpha RGBA in [0, 1] of what a camera sees, smoothed over each pixel."""
    k = OVERSAMPLING
    fine = Camera(
        k * camera.width, k * camera.height, k * camera.fx, k * camera.fy,
        k * camera.cx, k * camera.cy, camera.pose,
    )  # fmt: skip
    rays = camera_rays(fine, pixel_grid(fine.width, fine.height))
    rgba, _ = trace(solids, *(x.numpy() for x in rays))
    rgba[:, :3] *= rgba[:, 3:]
    mean = rgba.reshape(camera.height, k, camera.width, k, 4).mean((1, 3))
    mean[..., :3] /= mean[..., 3:].clip(1e-12)
    return mean


def look_at_origin(position: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "4 4"]:
    """world_from_camera (OpenCV axes) of a camera that looks at the origin, z upwards."""
    forward = -position / np.linalg.norm(position)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = position
    return pose


def write_scene(
    folder: Path, solids: tuple[Solid, ...], *, views: dict[str, int], size: int, seed: int = 0
) -> None:
    """Write square pictures of solids and the cameras' poses, as many as `views` says of a split.

    Cameras are spread over a sphere, but for the caps about its poles, in random directions.
    """
    rng = np.random.default_rng(seed)
    focal = 0.5 * size / math.tan(0.5 * ANGLE_X)
    for split, count in views.items():
        frames = []
        (folder / split).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            turn, height = rng.uniform(0, 2 * np.pi), rng.uniform(-0.3, 0.85)
            flat = math.sqrt(1 - height**2)
            position = DISTANCE * np.array([flat * np.cos(turn), flat * np.sin(turn), height])
            pose = look_at_origin(position)
            camera = Camera(size, size, focal, focal, size / 2, size / 2, pose)
            pixels = (picture(solids, camera) * 255 + 0.5).astype(np.uint8)
            Image.fromarray(pixels).save(folder / split / f"r_{index}.png")
            matrix = (pose @ OPENCV_FROM_OPENGL).tolist()
            frames.append({"file_path": f"./{split}/r_{index}", "transform_matrix": matrix})
        document = {"camera_angle_x": ANGLE_X, "frames": frames}
        (folder / f"transforms_{split}.json").write_text(json.dumps(document))


def toy(seed: int) -> tuple[Solid, Solid]:
    """A ball on a box: sizes and two colours drawn by the seed."""
    rng = np.random.default_rng(seed)
    wide, deep, tall = rng.uniform((0.35, 0.35, 0.2), (0.65, 0.65, 0.45))
    radius = rng.uniform(0.25, 0.45)
    box, ball = (tuple(rng.uniform(0.1, 1.0, 3).tolist()) for _ in range(2))
    return (
        Solid(False, (0.0, 0.0, tall + FLOOR), (wide, deep, tall), box),
        Solid(True, (0.0, 0.0, 2 * tall + FLOOR + radius), (radius, radius, radius), ball),
    )


def write_toys(
    folder: Path, *, scenes: int, views: dict[str, int], size: int, seed: int = 0
) -> None:
    """A class: a data set in a subfolder for each of `scenes` toys, as `write_scene` writes it."""
    for index in range(scenes):
        number = 1000 * seed + index
        write_scene(folder / f"toy_{index:03d}", toy(number), views=views, size=size, seed=number)
