"""COLMAP's models: lenses, registered pictures, sparse points, whether binary or text.

What both readers (colmap_binary.py, colmap_text.py) check alike is here, and what of COLMAP's
camera models a `Camera` can be.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from rayfield.core.check import DataError
from rayfield.core.types import Camera, Lens
from rayfield.data.intrinsics import FROM_PANORAMAS, PANORAMAS
from rayfield.data.poses import FARTHEST, rigid

# model id -> name, number of parameters (COLMAP src/colmap/sensor/models)
MODELS = {
    0: ("SIMPLE_PINHOLE", 3),
    1: ("PINHOLE", 4),
    2: ("SIMPLE_RADIAL", 4),
    3: ("RADIAL", 5),
    4: ("OPENCV", 8),
    5: ("OPENCV_FISHEYE", 8),
    6: ("FULL_OPENCV", 12),
    7: ("FOV", 5),
    8: ("SIMPLE_RADIAL_FISHEYE", 4),
    9: ("RADIAL_FISHEYE", 5),
    10: ("THIN_PRISM_FISHEYE", 12),
    11: ("RAD_TAN_THIN_PRISM_FISHEYE", 16),
    12: ("SIMPLE_DIVISION", 4),
    13: ("DIVISION", 5),
    14: ("SIMPLE_FISHEYE", 3),
    15: ("FISHEYE", 4),
    16: ("EUCM", 6),
    17: ("EQUIRECTANGULAR", 2),
}
ONE_FOCAL = ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL")
ONE_FOCAL_FISHEYE = ("SIMPLE_FISHEYE", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE")
FISHEYES = (*ONE_FOCAL_FISHEYE, "FISHEYE", "OPENCV_FISHEYE")
SUPPORTED = (*ONE_FOCAL, "PINHOLE", "OPENCV", "FULL_OPENCV", *FISHEYES)
MOST_BYTES = 4_000_000_000
LARGEST_SIDE = 100_000
AGAIN = "run the reconstruction again"


class ColmapCamera(NamedTuple):
    """A lens: the model's name, the picture's size in pixels, parameters in COLMAP's order."""

    model: str
    width: int
    height: int
    parameters: tuple[float, ...]


class ColmapImage(NamedTuple):
    """A registered picture: camera_from_world as quaternion (w, x, y, z) and translation.

    `observed_points` are the ids of the points that `observed` pixels show, -1 where none.
    """

    name: str
    camera: int
    quaternion: Float[np.ndarray, " 4"]
    translation: Float[np.ndarray, " 3"]
    observed: Float[np.ndarray, "K 2"]
    observed_points: Int[np.ndarray, " K"]


class ColmapPoints(NamedTuple):
    """Sparse points: ids, positions in the world, sRGB, mean reprojection errors in pixels."""

    ids: Int[np.ndarray, " N"]
    positions: Float[np.ndarray, "N 3"]
    colors: UInt8[np.ndarray, "N 3"]
    errors: Float[np.ndarray, " N"]

    def usable(self) -> ColmapPoints:
        """The points whose positions are finite and near enough to be of use."""
        kept = (np.abs(self.positions) < FARTHEST).all(axis=1)  # not NaN either
        return self if kept.all() else ColmapPoints(*(column[kept] for column in self))


def check_camera(camera: ColmapCamera, path: Path, what: str) -> ColmapCamera:
    """The lens, or a DataError that begins with `what` and its place."""
    sides = camera.width, camera.height
    if not (np.isfinite(camera.parameters).all() and all(1 <= s <= LARGEST_SIDE for s in sides)):
        raise DataError(path, f"{what} has no usable size or parameters", AGAIN)
    return camera


def check_pose(numbers: list[float], path: Path, what: str) -> None:
    """Raise DataError unless 7 numbers can be a quaternion and a translation."""
    if not np.isfinite(numbers).all() or not 1e-6 < np.abs(numbers[:4]).max() < 1e6:
        raise DataError(path, f"{what} has a pose of NaN or a zero quaternion", AGAIN)


def rotation(quaternion: Float[np.ndarray, " 4"]) -> Float[np.ndarray, "3 3"]:
    """The rotation matrix of a quaternion (w, x, y, z), normalised first (Hamilton's)."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def camera_of(lens: ColmapCamera, image: ColmapImage, path: Path) -> Camera:
    """The camera of a registered picture. Raises DataError for lens models that are not known."""
    if lens.model not in SUPPORTED:
        what = f"image {image.name!r}: the camera model {lens.model} is not supported"
        fix = f"undistort the images (colmap image_undistorter), or use {', '.join(SUPPORTED)}"
        if lens.model in PANORAMAS:
            fix = FROM_PANORAMAS
        raise DataError(path, what, fix)
    p = lens.parameters
    if lens.model in (*ONE_FOCAL, *ONE_FOCAL_FISHEYE):
        p = (p[0], *p)
    if min(p[:2]) <= 0:
        what = f"image {image.name!r}: focal length {min(p[:2])} is not positive"
        raise DataError(path, what, AGAIN)
    pose = np.eye(4)
    pose[:3, :3] = rotation(image.quaternion).T
    pose[:3, 3] = -pose[:3, :3] @ image.translation
    pose, _ = rigid(pose, path, image.name)
    kind: Lens = "fisheye" if lens.model in FISHEYES else "perspective"
    distortion = p[4:] if any(p[4:]) else ()
    fx, fy, cx, cy = p[:4]
    return Camera(lens.width, lens.height, fx, fy, cx, cy, pose, distortion, kind)


def lens_of(camera: Camera) -> ColmapCamera:
    """The camera's lens as the simplest of COLMAP's models that has all of it.

    Raises ValueError for a coefficient of r^8, which none has.
    """
    k = camera.distortion
    used = max((i + 1 for i, value in enumerate(k) if value), default=0)
    focal, middle = (camera.fx, camera.fy), (camera.cx, camera.cy)
    if camera.lens == "fisheye":
        model, count = "OPENCV_FISHEYE", 4
    elif used > 8:
        raise ValueError("COLMAP has no coefficient of r^8")
    elif used > 4:
        model, count = "FULL_OPENCV", 8
    elif used:
        model, count = "OPENCV", 4
    elif math.isclose(*focal, rel_tol=1e-15):
        model, count, focal = "SIMPLE_PINHOLE", 0, focal[:1]  # type: ignore[assignment]
    else:
        model, count = "PINHOLE", 0
    coefficients = (*k, *([0.0] * count))[:count]
    return ColmapCamera(model, camera.width, camera.height, (*focal, *middle, *coefficients))
