"""SRN's form: rgb/, pose/ and intrinsics.txt (Sitzmann et al. 2019, arXiv:1906.01618); also NSVF's.

pose/NAME.txt holds the 16 numbers of world_from_camera, in OpenCV's axes, of rgb/NAME.png.
intrinsics.txt begins with the focal length and the principal point and ends with the height and
the width they are for; or it holds a 3x3 or 4x4 matrix in pixels of the pictures. Where all names
begin with 0_, 1_ and 2_, these are training, validation and test (Liu et al. 2020,
arXiv:2007.11571), and bbox.txt is the box about the subject.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from rayfield.core.check import DataError
from rayfield.core.types import Camera
from rayfield.data.files import contents, fit_to_image
from rayfield.data.images import ImageInfo, image_info
from rayfield.data.masks import pictures_in
from rayfield.data.poses import rigid
from rayfield.data.scene import Ball, Capture, Frame, Masks, Remarks, in_natural_order, shortened

FILE, PICTURES, POSES, BOX = "intrinsics.txt", "rgb", "pose", "bbox.txt"
SPLITS = {"0": "train", "1": "val", "2": "test"}
MOST_BYTES = 100_000
FIX = "export it again"


def find(root: Path) -> Path | None:
    """The intrinsics of a folder in this form; None for other folders."""
    here = (root / FILE).is_file() and (root / PICTURES).is_dir() and (root / POSES).is_dir()
    return root / FILE if here else None


def read(root: Path) -> Capture:
    """Read the cameras of a folder with its pictures. Raises DataError on what cannot be used."""
    if not (root / PICTURES).is_dir() or not (root / POSES).is_dir():
        raise DataError(root / FILE, "has no rgb/ and pose/ beside it", "restore them")
    lens = _rows(root / FILE)
    remarks, frames = Remarks(), []
    pictures = pictures_in(root / PICTURES, root)
    for picture in pictures:
        name = picture.relative_to(root).as_posix()
        file = (root / POSES / picture.relative_to(root / PICTURES)).with_suffix(".txt")
        if not file.is_file():
            remarks.add("have no pose (not used)", name)
            continue
        info = image_info(picture)
        declared = replace(_lens(lens, root / FILE, info), pose=_pose(file, name))
        camera, remark = fit_to_image(declared, info, picture)
        if remark:
            remarks.add(remark, name)
        frames.append(Frame(name, camera, picture, "train"))
    if not frames:
        names = shortened([picture.name for picture in pictures])
        what = f"holds {len(pictures)} pictures, none of them with a pose: {names or 'none'}"
        raise DataError(root / PICTURES, what, f"poses belong into {root / POSES}, as NAME.txt")
    return Capture(
        root,
        "srn",
        _split(in_natural_order(frames)),
        None,
        remarks.sentences(len(pictures)),
        ball=_box(root / BOX),
        masks=Masks(root / "masks", "skip"),
    )


def _rows(path: Path) -> list[list[float]]:
    """The numbers of a small text file, line by line."""
    try:
        text = contents(path, limit=MOST_BYTES).decode("utf-8-sig")
        rows = [[float(word) for word in line.split()] for line in text.splitlines()]
    except UnicodeDecodeError:
        raise DataError(path, "is not text", FIX) from None
    except ValueError as error:
        said = str(error).rpartition(":")[2].strip()
        raise DataError(path, f"holds {said:.60}, which is no number", FIX) from None
    if not all(np.isfinite(row).all() for row in rows):
        raise DataError(path, "holds NaN or infinity", FIX)
    return [row for row in rows if row]


def _lens(rows: list[list[float]], path: Path, info: ImageInfo) -> Camera:
    """The camera that intrinsics.txt describes, at the origin."""
    lengths = {len(row) for row in rows}
    if len(rows) in (3, 4) and lengths == {len(rows)}:
        (fx, skew, cx, *_), (_, fy, cy, *_) = rows[:2]
        width, height = info.width, info.height
        if abs(skew) > 1e-3 * abs(fx):
            raise DataError(path, f"has skewed pixels (skew {skew:g})", "rectify the pictures")
    elif len(rows) >= 2 and len(rows[0]) in (3, 4) and len(rows[-1]) == 2:
        fx, cx, cy = rows[0][:3]
        fy = fx
        height, width = (int(side) for side in rows[-1])
    else:
        what = f"has rows of {sorted(lengths)} numbers: neither focal length, centre ... and size"
        raise DataError(path, what + ", nor a matrix", FIX)
    if min(fx, fy, width, height) <= 0 or max(width, height) > 100_000:
        what = f"fx {fx:g}, fy {fy:g}, {width}x{height} pixels are no camera"
        raise DataError(path, what, FIX)
    return Camera(width, height, fx, fy, cx, cy, np.eye(4))


def _pose(path: Path, name: str) -> Float[np.ndarray, "4 4"]:
    """world_from_camera in a file."""
    numbers = [number for row in _rows(path) for number in row]
    if len(numbers) not in (12, 16):
        raise DataError(path, f"holds {len(numbers)} numbers where a pose has 16", FIX)
    matrix = np.array([*numbers, *[0, 0, 0, 1]][:16], np.float64).reshape(4, 4)
    if not np.allclose(matrix[3], (0, 0, 0, 1), atol=1e-6):
        raise DataError(path, "its last row is not 0 0 0 1", "give world-from-camera matrices")
    pose, _ = rigid(matrix, path, name)
    return pose


def _split(frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
    """The frames with the split that their names give, if all of them give one."""
    marks = [re.match(r"([012])_", frame.path.name) for frame in frames]
    kinds = {mark[1] for mark in marks if mark}
    if not all(marks) or len(kinds) < 2 or "0" not in kinds:
        return frames
    given = [SPLITS[mark[1]] for mark in marks if mark]
    return tuple(replace(frame, split=split) for frame, split in zip(frames, given, strict=True))


def _box(path: Path) -> Ball | None:
    """The ball inside the cube about the subject's box, where a file gives it."""
    if not path.is_file():
        return None
    numbers = [number for row in _rows(path) for number in row]
    low, high = np.array(numbers[:3]), np.array(numbers[3:6])
    if len(numbers) < 6 or not (low < high).all():
        raise DataError(path, "is not a box: three lower, then three upper ends", FIX)
    return Ball(0.5 * (low + high), 0.5 * float((high - low).max()))
