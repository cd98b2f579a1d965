"""What is alike in all forms of transforms.json: lenses, frames, the box of the subject."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rayfield.core.types import Camera
from rayfield.data.poses import OPENCV_FROM_OPENGL
from rayfield.data.scene import Capture, Frame, intrinsics

Json = dict[str, Any]


def write_listing(path: Path, document: Json) -> None:
    """Write a transforms.json. Raises OSError."""
    text = json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def lens_keys(camera: Camera) -> Json:
    """Size, focal lengths, principal point and distortion, whatever is not zero of it.

    k4 of a perspective lens is the coefficient of r^8, as in nerfstudio.
    """
    keys: Json = {"w": camera.width, "h": camera.height, "fl_x": camera.fx, "fl_y": camera.fy}
    keys |= {"cx": camera.cx, "cy": camera.cy}
    k = (*camera.distortion, *([0.0] * 9))
    if camera.lens == "fisheye":
        return keys | {f"k{i + 1}": k[i] for i in range(4)}
    named = {"k1": k[0], "k2": k[1], "p1": k[2], "p2": k[3], "k3": k[4], "k4": k[8]}
    return keys | {key: value for key, value in named.items() if value}


def frame_keys(frame: Frame, root: Path, *, suffix: bool = True) -> Json:
    """Where a picture and its mask are, its pose in OpenGL's axes, and the depths it shows."""
    name = frame.name if suffix else "./" + frame.name.removesuffix(frame.path.suffix)
    keys: Json = {"file_path": name}
    if frame.mask is not None:
        keys["mask_path"] = frame.mask.relative_to(root).as_posix()
    if frame.bounds is not None:
        keys["near"], keys["far"] = frame.bounds
    keys["transform_matrix"] = (frame.camera.pose @ OPENCV_FROM_OPENGL).tolist()
    return keys


def box_keys(capture: Capture) -> Json:
    """`aabb`, the cube about the ball of the subject, where the files named one."""
    if capture.ball is None:
        return {}
    centre, radius = capture.ball
    return {"aabb": [(centre - radius).tolist(), (centre + radius).tolist()]}


def one_lens(frames: tuple[Frame, ...]) -> bool:
    """Whether all pictures were taken through one lens, at one size."""
    return len({intrinsics(frame.camera) for frame in frames}) == 1
