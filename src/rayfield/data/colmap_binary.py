"""COLMAP's binary models: a bounded reader of cameras.bin, images.bin and points3D.bin.

Every count is held against the bytes that are left before anything is allocated, and a file that
ends too early is reported with the byte where it does.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from rayfield.core.check import DataError
from rayfield.data.colmap_model import (
    MODELS,
    MOST_BYTES,
    ColmapCamera,
    ColmapImage,
    ColmapPoints,
    check_camera,
    check_pose,
)
from rayfield.data.files import contents

MAX_NAME = 4096
OBSERVATION = np.dtype([("xy", "<f8", 2), ("point", "<i8")])
POINT = np.dtype(
    [("id", "<u8"), ("xyz", "<f8", 3), ("rgb", "u1", 3), ("error", "<f8"), ("track", "<u8")]
)
AGAIN = "the file may be cut short: copy it again"


class Bytes:
    """A file's bytes and a position that cannot leave them."""

    def __init__(self, path: Path) -> None:
        self.path, self.at = path, 0
        self.data = contents(path, limit=MOST_BYTES)

    def need(self, size: int, what: str) -> None:
        """Raise DataError unless `size` more bytes are there."""
        left = len(self.data) - self.at
        if size > left:
            said = f"ends too early: {what} at byte {self.at} needs {size} bytes, {left} are left"
            raise DataError(self.path, said, AGAIN)

    def take(self, form: str, what: str) -> tuple[Any, ...]:
        """The next numbers, in the little-endian layout `form`."""
        size = struct.calcsize("<" + form)
        self.need(size, what)
        self.at += size
        return struct.unpack_from("<" + form, self.data, self.at - size)

    def integer(self, form: str, what: str) -> int:
        """The next integer."""
        value: int = self.take(form, what)[0]
        return value

    def count(self, smallest: int, what: str) -> int:
        """The next count, of records of at least `smallest` bytes each."""
        start = self.at
        count = self.integer("Q", f"the number of {what}")
        if count * smallest > len(self.data) - self.at:
            said = (
                f"claims {count} {what} at byte {start}, more than its {len(self.data)} bytes hold"
            )
            raise DataError(self.path, said, AGAIN)
        return count

    def name(self) -> str:
        """The next NUL-terminated UTF-8 name."""
        end = self.data.find(b"\0", self.at, self.at + MAX_NAME)
        if end < 0:
            raise DataError(self.path, f"holds an unterminated name at byte {self.at}", AGAIN)
        raw, start, self.at = self.data[self.at : end], self.at, end + 1
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            said = f"holds a name that is not UTF-8 at byte {start}"
            raise DataError(self.path, said, "rename the picture and register it again") from None

    def table(self, dtype: np.dtype, count: int, what: str) -> np.ndarray:
        """The next `count` records of a fixed layout, without copying."""
        self.need(count * dtype.itemsize, what)
        table = np.frombuffer(self.data, dtype, count, self.at)
        self.at += count * dtype.itemsize
        return table


def read_cameras(path: Path) -> dict[int, ColmapCamera]:
    """The lenses of cameras.bin by id."""
    file = Bytes(path)
    cameras: dict[int, ColmapCamera] = {}
    for _ in range(file.count(24 + 2 * 8, "cameras")):
        start = file.at
        key, model, width, height = file.take("iiQQ", "a camera")
        if model not in MODELS:
            said = f"camera {key} at byte {start} has the unknown model {model}"
            raise DataError(path, said, "re-estimate it as OPENCV or PINHOLE")
        name, count = MODELS[model]
        parameters = file.take(f"{count}d", f"camera {key}")
        if key in cameras:
            raise DataError(path, f"holds camera {key} twice (byte {start})", AGAIN)
        camera = ColmapCamera(name, width, height, parameters)
        cameras[key] = check_camera(camera, path, f"camera {key} at byte {start}")
    return cameras


def read_images(path: Path) -> tuple[ColmapImage, ...]:
    """The registered pictures of images.bin, with what they observe."""
    file = Bytes(path)
    images: dict[str, ColmapImage] = {}
    for _ in range(file.count(64 + 1 + 8, "images")):
        start = file.at
        _, *numbers, camera = file.take("i7di", "an image")
        name = file.name()
        table = file.table(OBSERVATION, file.count(24, "observations"), f"image {name!r}")
        if name in images:
            raise DataError(path, f"holds the image {name!r} twice (byte {start})", AGAIN)
        check_pose(numbers, path, f"image {name!r} at byte {start}")
        quaternion, translation = np.array(numbers[:4]), np.array(numbers[4:])
        images[name] = ColmapImage(
            name, camera, quaternion, translation, table["xy"], table["point"]
        )
    return tuple(images.values())


def read_points(path: Path) -> ColmapPoints:
    """The points of points3D.bin; those that are not finite are left out."""
    file = Bytes(path)
    count = file.count(POINT.itemsize, "points")
    starts = np.empty(count, np.int64)
    for row in range(count):  # a record's length is in it
        file.need(POINT.itemsize, f"point {row}")
        starts[row] = file.at
        file.at += POINT.itemsize
        length = 8 * int.from_bytes(file.data[file.at - 8 : file.at], "little")
        file.need(length, f"the track of point {row}")
        file.at += length
    raw = np.frombuffer(file.data, np.uint8)
    table = raw[starts[:, None] + np.arange(POINT.itemsize)].view(POINT)[:, 0]
    ids = (table["id"] & np.uint64(2**63 - 1)).astype(np.int64)
    with np.errstate(invalid="ignore"):  # signalling NaN, that is left out as any other
        places, errors = table["xyz"].astype(np.float64), table["error"].astype(np.float64)
    return ColmapPoints(ids, places, table["rgb"].copy(), errors).usable()
