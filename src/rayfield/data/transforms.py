"""What the three forms of transforms.json share: frames, intrinsics and poses of a listing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rayfield.core.check import DataError
from rayfield.core.types import Camera
from rayfield.data.files import existing_image, fit_to_image
from rayfield.data.images import ImageInfo, image_info
from rayfield.data.poses import OPENCV_FROM_OPENGL, matrix_from_json, rigid
from rayfield.data.scene import Frame, Remarks, shortened

Json = dict[str, Any]

PINHOLES = ("PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV")
DISTORTION_KEYS = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
LARGEST_SIDE = 100_000


class Listing(NamedTuple):
    """The frames of one transforms.json, and what was noticed while reading them."""

    frames: tuple[Frame, ...]
    notes: tuple[str, ...]


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
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(f"{key} is not a number", "correct it")
        return float(value)

    def error(self, what: str, fix: str) -> DataError:
        """A DataError that names the file and the frame."""
        return DataError(self.path, f"frame {self.name!r}: {what}", fix)


def _focal(values: Values, axis: str, pixels: int) -> float | None:
    """Focal length in pixels from fl_?, camera_angle_? (radians) or ?_fov (degrees)."""
    focal = values.number(f"fl_{axis}")
    angle = values.number(f"camera_angle_{axis}")
    if angle is None and (degrees := values.number(f"{axis}_fov")) is not None:
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


def _distortion(values: Values) -> tuple[float, ...]:
    model = values.get("camera_model")
    fisheye = values.get("is_fisheye")
    if (model is not None and model not in PINHOLES) or fisheye:
        named = "fisheye" if fisheye else repr(model)
        fix = f"undistort the images, or estimate it as {_listed(PINHOLES)}"
        raise values.error(f"camera model {named} is not supported yet", fix)
    packed = values.get("distortion_params")
    if packed is None:
        found = tuple(values.number(key) or 0.0 for key in DISTORTION_KEYS)
    else:  # nerfstudio's order: k1, k2, k3, k4, p1, p2
        plain = isinstance(packed, list) and all(isinstance(x, int | float) for x in packed)
        if not plain or len(packed) > 6:
            raise values.error("distortion_params is not up to 6 numbers", "correct it")
        k1, k2, k3, k4, p1, p2 = [float(x) for x in packed] + [0.0] * (6 - len(packed))
        found = (k1, k2, p1, p2, k3, k4, 0.0, 0.0)
    return found if any(found) else ()


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(words[:-1]) + " or " + words[-1]


def _camera(values: Values, info: ImageInfo, remarks: Remarks) -> Camera:
    """The camera of a frame as declared; frame keys before file keys before angles."""
    width, height = _side(values, "w", info.width), _side(values, "h", info.height)
    fx, fy = _focal(values, "x", width), _focal(values, "y", height)
    fx, fy = fx or fy, fy or fx  # square pixels where only one is given
    if fx is None or fy is None:
        fix = "give fl_x (pixels) or camera_angle_x (radians), for the file or for each frame"
        raise values.error("no focal length", fix)
    cx, cy = values.number("cx"), values.number("cy")
    matrix = matrix_from_json(values.frame.get("transform_matrix"), values.path, values.name)
    pose, mended = rigid(matrix @ OPENCV_FROM_OPENGL, values.path, values.name)
    for predicate in mended:
        remarks.add(predicate, values.name)
    return Camera(
        width=width,
        height=height,
        fx=fx,
        fy=fy,
        cx=width / 2 if cx is None else cx,
        cy=height / 2 if cy is None else cy,
        pose=pose,
        distortion=_distortion(values),
    )


def _entries(document: Json, path: Path) -> list[tuple[str, Json]]:
    """The frames of a document with their file_path."""
    frames = document.get("frames")
    if not isinstance(frames, list) or not frames:
        what = "lists no frames" if frames == [] else 'has no list "frames"'
        raise DataError(path, what, "export the poses again")
    for index, frame in enumerate(frames):
        if not isinstance(frame, dict) or not isinstance(frame.get("file_path"), str):
            raise DataError(path, f"frames[{index}] has no file_path", "export the poses again")
    return [(frame["file_path"], frame) for frame in frames]


def _frame(values: Values, root: Path, image: Path, *, split: str, remarks: Remarks) -> Frame:
    info = image_info(image)
    camera, remark = fit_to_image(_camera(values, info, remarks), info, image)
    name = image.relative_to(root).as_posix()
    if remark:
        remarks.add(remark, name)
    mask = None
    if (mask_name := values.frame.get("mask_path")) is not None:
        if not isinstance(mask_name, str):
            raise values.error("mask_path is not a name", "correct it")
        mask = existing_image(root, mask_name, values.path)
        if mask is None:
            remarks.add("name a mask that does not exist (all their pixels are used)", name)
    return Frame(name=name, camera=camera, path=image, split=split, mask=mask)


def read_listing(root: Path, path: Path, document: Json, *, split: str = "train") -> Listing:
    """The frames that a parsed transforms.json lists, with file paths relative to `root`.

    Camera axes are turned from OpenGL's (x right, y up, z back) to OpenCV's. Images that do not
    exist are passed over and noted; a picture listed twice with one pose is taken once. Raises
    DataError where nothing can be read, naming the file and the frame.
    """
    entries = _entries(document, path)
    remarks = Remarks()
    frames: dict[str, Frame] = {}
    for name, entry in entries:
        image = existing_image(root, name, path)
        if image is None:
            remarks.add("do not exist", name)
            continue
        values = Values(path, name, entry, document)
        frame = _frame(values, root, image, split=split, remarks=remarks)
        twin = frames.setdefault(frame.name, frame)
        if twin is not frame:
            if not (twin.camera.pose == frame.camera.pose).all():
                what = f"lists {frame.name!r} twice with different poses"
                raise DataError(path, what, "remove one of the two frames")
            remarks.add("were listed twice (taken once)", frame.name)
    if not frames:
        missing = shortened([name for name, _ in entries])
        what = f"none of the {len(entries)} listed images exists: {missing}"
        raise DataError(path, what, f"put the pictures where file_path says, inside {root}")
    return Listing(tuple(frames.values()), remarks.sentences(len(entries)))
