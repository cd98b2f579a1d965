"""Intrinsics in transforms.json: keys of a frame before those of the file, before angles."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rayfield.core.check import DataError
from rayfield.core.types import Camera, Lens
from rayfield.data.images import ImageInfo
from rayfield.data.poses import OPENCV_FROM_OPENGL, matrix_from_json, rigid

Json = dict[str, Any]

PINHOLES = ("PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV")
FISHEYES = ("OPENCV_FISHEYE", "RADIAL_FISHEYE", "SIMPLE_RADIAL_FISHEYE", "FISHEYE")
PANORAMAS = ("EQUIRECTANGULAR", "SPHERICAL", "latlong", "equirectangular")
FROM_PANORAMAS = (
    "cut perspective views out of the panoramas, and list those"  # no one view holds it
)
OTHER_LENSES = ("ftheta_p0", "latlong", "equirectangular")  # keys of instant-ngp's
FISHEYE_KEYS = ("k1", "k2", "k3", "k4")
RATIONAL_KEYS = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
PACKED_KEYS = ("k1", "k2", "k3", "k4", "p1", "p2")  # nerfstudio's distortion_params
LARGEST_SIDE = 100_000


def is_number(value: object) -> bool:
    """Whether a value of a JSON file is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True)
class Values:
    """Numbers of one frame: its own keys first, then those of the whole file."""

    path: Path
    name: str
    frame: Json
    document: Json

    def get(self, key: str) -> Any:
        """The value of a key, None where neither the frame nor the file has it."""
        value = self.frame.get(key)
        return self.document.get(key) if value is None else value

    def number(self, key: str) -> float | None:
        """A number, None where the key is absent; DataError where it is something else."""
        value = self.get(key)
        if value is None:
            return None
        if not is_number(value):
            raise self.error(f"{key} is not a number", "correct it")
        return float(value)

    def error(self, what: str, fix: str) -> DataError:
        """A DataError that names the file and the frame."""
        return DataError(self.path, f"frame {self.name!r}: {what}", fix)


def camera_of(values: Values, info: ImageInfo) -> tuple[Camera, tuple[str, ...]]:
    """The camera of a frame as declared, in OpenCV's axes, and remarks on its pose.

    Raises DataError where something is missing or impossible.
    """
    width, height = _side(values, "w", info.width), _side(values, "h", info.height)
    fx, fy = _focal(values, "x", width), _focal(values, "y", height)
    fx, fy = fx or fy, fy or fx  # square pixels where only one is given
    if fx is None or fy is None:
        fix = "give fl_x (pixels) or camera_angle_x (radians), for the file or for each frame"
        raise values.error("no focal length", fix)
    cx, cy = values.number("cx"), values.number("cy")
    what = f"frame {values.name!r}: transform_matrix"
    matrix = matrix_from_json(values.frame.get("transform_matrix"), values.path, what)
    pose, mended = rigid(matrix @ OPENCV_FROM_OPENGL, values.path, values.name)
    lens, distortion = _distortion(values)
    camera = Camera(
        width=width,
        height=height,
        fx=fx,
        fy=fy,
        cx=width / 2 if cx is None else cx,
        cy=height / 2 if cy is None else cy,
        pose=pose,
        distortion=distortion if any(distortion) else (),
        lens=lens,
    )
    return camera, mended


def _focal(values: Values, axis: str, pixels: int) -> float | None:
    """Focal length in pixels from fl_?, camera_angle_? (radians) or ?_fov (degrees)."""
    keys = (f"fl_{axis}", f"camera_angle_{axis}", f"{axis}_fov")
    own = any(values.frame.get(key) is not None for key in keys)
    source = replace(values, document={}) if own else values  # a frame's angle before the file's
    focal, angle, degrees = (source.number(key) for key in keys)
    if angle is None and degrees is not None:
        angle = math.radians(degrees)
    if focal is None and angle is not None:
        if not 0 < angle < math.pi:
            raise values.error(f"camera angle {angle} is not between 0 and pi", "give radians")
        focal = 0.5 * pixels / math.tan(0.5 * angle)
    if focal is not None and not 0 < focal < 1e9:
        raise values.error(f"focal length {focal} is not positive", "correct fl_x and fl_y")
    return focal


def _side(values: Values, key: str, stored: int) -> int:
    side = values.number(key)
    if side is None:
        return stored
    if not 1 <= side <= LARGEST_SIDE or side != int(side):
        raise values.error(f"{key} = {side} is not a picture's size", f"correct {key}")
    return int(side)


def _distortion(values: Values) -> tuple[Lens, tuple[float, ...]]:
    """The kind of lens and its coefficients, in the order of `Camera`.

    `k4` is the coefficient of r^8, as nerfstudio has it, unless the model is FULL_OPENCV or there
    are `k5` or `k6`, which only that one has.
    """
    model = values.get("camera_model")
    fisheye = bool(values.get("is_fisheye")) or model in FISHEYES
    other = next((key for key in OTHER_LENSES if values.get(key)), None)
    if other or not (model is None or model in PINHOLES or model in FISHEYES):
        kinds = ", ".join((*PINHOLES, *FISHEYES))
        fix = f"undistort the images, or estimate it as one of {kinds}"
        if (other or model) in PANORAMAS:
            fix = FROM_PANORAMAS
        raise values.error(f"camera model {other or repr(model):.60} is not supported", fix)
    number = _coefficients(values)
    if fisheye:
        return "fisheye", tuple(number[key] for key in FISHEYE_KEYS)
    if model == "FULL_OPENCV" or number["k5"] or number["k6"]:
        return "perspective", tuple(number[key] for key in RATIONAL_KEYS)
    plain = tuple(number[key] for key in ("k1", "k2", "p1", "p2", "k3"))
    return "perspective", (*plain, 0.0, 0.0, 0.0, number["k4"])


def _coefficients(values: Values) -> dict[str, float]:
    """All coefficients by key, 0 where absent, from their keys or from distortion_params."""
    packed = values.get("distortion_params")
    if packed is None:
        return {key: values.number(key) or 0.0 for key in RATIONAL_KEYS}
    plain = isinstance(packed, list) and all(map(is_number, packed))
    if not plain or len(packed) > len(PACKED_KEYS):
        raise values.error("distortion_params is not up to 6 numbers", "correct it")
    return {**dict.fromkeys(RATIONAL_KEYS, 0.0), **dict(zip(PACKED_KEYS, packed, strict=False))}
