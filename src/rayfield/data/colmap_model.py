"""COLMAP's binary models: a bounded reader of cameras.bin, images.bin and points3D.bin.

Every count is held against the bytes that are left before anything is allocated, and a file that
ends too early is reported with the byte where it does.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from rayfield.core.check import DataError
from rayfield.data.files import contents
from rayfield.data.poses import FARTHEST

# model id -> name, number of parameters (COLMAP src/colmap/sensor/models.h)
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
}
MAX_NAME = 4096
MAX_BYTES = 4_000_000_000
OBSERVATION = np.dtype([("xy", "<f8", 2), ("point", "<i8")])
AGAIN = "the file may be cut short: copy it again"


class ColmapCamera(NamedTuple):
    """A lens: the model's name, the picture's size in pixels, parameters in COLMAP's order."""

    model: str
    width: int
    height: int
    parameters: tuple[float, ...]


class ColmapImage(NamedTuple):
    """A registered picture: camera_from_world as quaternion (w, x, y, z) and translation."""

    name: str
    camera: int
    quaternion: Float[np.ndarray, " 4"]
    translation: Float[np.ndarray, " 3"]
    observed: Float[np.ndarray, "K 2"]
    observed_points: Int[np.ndarray, " K"]


class Bytes:
    """A file's bytes and a position that cannot leave them."""

    def __init__(self, path: Path) -> None:
        self.path, self.at = path, 0
        self.data = contents(path, limit=MAX_BYTES)

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
    for _ in range(file.count(24 + 3 * 8, "cameras")):
        start = file.at
        key, model, width, height = file.take("iiQQ", "a camera")
        if model not in MODELS:
            said = f"camera {key} at byte {start} has the unknown model {model}"
            raise DataError(path, said, "re-estimate it as OPENCV or PINHOLE")
        name, count = MODELS[model]
        parameters = file.take(f"{count}d", f"camera {key}")
        if key in cameras:
            raise DataError(path, f"holds camera {key} twice (byte {start})", AGAIN)
        if not (np.isfinite(parameters).all() and 1 <= width <= 100_000 and 1 <= height <= 100_000):
            said = f"camera {key} at byte {start} has no usable size or parameters"
            raise DataError(path, said, "run the reconstruction again")
        cameras[key] = ColmapCamera(name, width, height, parameters)
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
        if not np.isfinite(numbers).all() or not 1e-6 < np.abs(numbers[:4]).max() < 1e6:
            said = f"image {name!r} at byte {start} has a pose of NaN or a zero quaternion"
            raise DataError(path, said, "run the reconstruction again")
        quaternion, translation = np.array(numbers[:4]), np.array(numbers[4:])
        images[name] = ColmapImage(
            name, camera, quaternion, translation, table["xy"], table["point"]
        )
    return tuple(images.values())


def read_points(path: Path) -> tuple[Int[np.ndarray, " N"], Float[np.ndarray, "N 3"]]:
    """Ids and positions of the points of points3D.bin; those that are not finite are left
    out."""
    file = Bytes(path)
    record = struct.Struct("<Q3d3BdQ")
    count = file.count(record.size, "points")
    ids, positions = np.empty(count, np.int64), np.empty((count, 3))
    for row in range(count):
        file.need(record.size, f"point {row}")
        values = record.unpack_from(file.data, file.at)
        ids[row], positions[row] = values[0] & (2**63 - 1), values[1:4]
        file.at += record.size
        file.need(8 * values[8], f"the track of point {row}")
        file.at += 8 * values[8]
    usable = (np.abs(positions) < FARTHEST).all(axis=1)  # not NaN either
    return ids[usable], positions[usable]


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
