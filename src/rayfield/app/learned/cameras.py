"""The cameras of a run, kept in its folder so that it can be rendered without the photos.

RUN/cameras.json: for every photo its name, split, intrinsics and pose in the world's frame.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
from jaxtyping import Float

from rayfield.core.check import DataError, UsageError
from rayfield.core.types import Camera, Lens
from rayfield.data.scene import Scene
from rayfield.train.files import read_json, write_json

Matrix = Float[np.ndarray, "4 4"]
FIX = "restore the file from a copy, or train anew"
MAX_SIDE = 16384
MAX_PIXELS = 2**26


class NamedCamera(NamedTuple):
    """A photo's camera, its pose in the world's frame."""

    name: str
    split: str
    camera: Camera


def scale_of(world_from_scene: Matrix) -> float:
    """World units per scene unit."""
    return float(np.cbrt(np.linalg.det(world_from_scene[:3, :3])))


def to_world(pose: Matrix, world_from_scene: Matrix) -> Matrix:
    """world_from_camera of a rigid scene_from_camera."""
    moved = world_from_scene @ pose
    moved[:3, :3] /= scale_of(world_from_scene)
    return moved


def to_scene(pose: Matrix, world_from_scene: Matrix) -> Matrix:
    """scene_from_camera of a rigid world_from_camera."""
    moved = np.linalg.inv(world_from_scene) @ pose
    moved[:3, :3] *= scale_of(world_from_scene)
    return moved


def checked(pose: Matrix) -> Matrix:
    """The pose in float64. Raises UsageError unless it is a rigid world_from_camera."""
    matrix = np.asarray(pose, dtype=np.float64)
    if matrix.shape == (4, 4) and np.isfinite(matrix).all():
        rotation = matrix[:3, :3]
        skew = np.abs(rotation @ rotation.T - np.eye(3)).max()
        if skew < 1e-3 and np.linalg.det(rotation) > 0:
            return matrix
    raise UsageError("a pose is a finite 4x4 world_from_camera matrix whose 3x3 part is a rotation")


def of_scene(scene: Scene) -> tuple[NamedCamera, ...]:
    """The cameras of all frames of a scene, in the world's frame."""
    found = []
    for frame in scene.frames:
        pose = to_world(frame.camera.pose, scene.world_from_scene)
        found.append(NamedCamera(frame.name, frame.split, replace(frame.camera, pose=pose)))
    return tuple(found)


def straightened(camera: Camera) -> Camera:
    """The camera without its lens: a pinhole."""
    return replace(camera, distortion=(), lens="perspective")


def resized(camera: Camera, width: int, height: int) -> Camera:
    """The camera with a picture of another size, in which the whole old picture is seen.

    Pixels stay square and the centre stays in the middle; what a wider or higher picture shows
    more lies at its sides. Raises UsageError for impossible sizes.
    """
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE and width * height <= MAX_PIXELS):
        raise UsageError(
            f"pictures of {width}x{height} cannot be made; sides go from 1 to {MAX_SIDE}, "
            f"up to {MAX_PIXELS // 10**6} million pixels"
        )
    scale = min(width / camera.width, height / camera.height)
    return replace(
        camera,
        width=width,
        height=height,
        fx=camera.fx * scale,
        fy=camera.fy * scale,
        cx=0.5 * width + (camera.cx - 0.5 * camera.width) * scale,
        cy=0.5 * height + (camera.cy - 0.5 * camera.height) * scale,
    )


def limited(camera: Camera, side: int) -> Camera:
    """The camera with its picture reduced to at most `side` pixels, in proportion."""
    scale = min(1.0, side / max(camera.width, camera.height))
    return resized(
        camera, max(1, round(camera.width * scale)), max(1, round(camera.height * scale))
    )


def save_cameras(path: Path, cameras: tuple[NamedCamera, ...]) -> None:
    """Write cameras.json. Raises OSError."""
    rows = []
    for name, split, camera in cameras:
        row: dict[str, Any] = {"name": name, "split": split}
        row |= {"width": camera.width, "height": camera.height}
        row |= {"fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy}
        row |= {"lens": camera.lens, "distortion": list(camera.distortion)}
        row["world_from_camera"] = camera.pose.tolist()
        rows.append(row)
    write_json(path, {"convention": "OpenCV: x right, y down, z forward", "cameras": rows})


def load_cameras(path: Path) -> tuple[NamedCamera, ...]:
    """Read cameras.json. Raises DataError on anything that is not cameras."""
    rows = read_json(path, FIX).get("cameras")
    if not isinstance(rows, list) or not rows:
        raise DataError(path, "holds no cameras", FIX)
    found = []
    for index, row in enumerate(rows):
        try:
            found.append(_parse(row))
        except (KeyError, TypeError, ValueError, OverflowError):
            raise DataError(path, f"camera {index} is not a camera", FIX) from None
    return tuple(found)


def _parse(row: dict[str, Any]) -> NamedCamera:
    pose = np.array(row["world_from_camera"], dtype=np.float64)
    fx, fy, cx, cy = (float(row[key]) for key in ("fx", "fy", "cx", "cy"))
    distortion = tuple(float(k) for k in row["distortion"])
    width, height = int(row["width"]), int(row["height"])
    lens = row.get("lens", "perspective")
    if lens not in get_args(Lens) or len(distortion) > (4 if lens == "fisheye" else 9):
        raise ValueError
    if pose.shape != (4, 4) or min(width, height, fx, fy) <= 0:
        raise ValueError
    if not np.isfinite([*pose.ravel(), fx, fy, cx, cy, *distortion]).all():
        raise ValueError
    camera = Camera(width, height, fx, fy, cx, cy, pose, distortion, lens)
    return NamedCamera(str(row["name"]), str(row["split"]), camera)
