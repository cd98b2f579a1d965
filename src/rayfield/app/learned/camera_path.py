"""Camera paths in files: recorded in the viewer, or written by hand; read by `rayfield render`.

A JSON object: `keyframes`, each with `seconds` from the start, `vertical_fov` in degrees and
`world_from_camera` (4x4, OpenCV axes, in the user's world); `width` and `height` of the pictures;
`loop`: whether the last camera is the first again. In between, cameras move on a smooth curve.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from rayfield.app.learned import cameras as cams
from rayfield.core.check import DataError, UsageError
from rayfield.core.types import Camera
from rayfield.data.strict_json import read_json_object
from rayfield.train.files import write_json

FORMAT = "rayfield camera path"
VERSION = 1
MOST_KEYS = 100_000
LONGEST = 86_400.0  # seconds
NARROWEST, WIDEST = 0.1, 175.0  # degrees
FOLDER = "paths"
MOST_KEPT = 10_000
FIX = "record it again with `rayfield view`"


@dataclass(frozen=True)
class Keyframe:
    """A camera of a path: when, where (world_from_camera), and how wide it looks, degrees."""

    seconds: float
    pose: Float[np.ndarray, "4 4"]
    vertical_fov: float


@dataclass(frozen=True)
class CameraPath:
    """Cameras in time, for pictures of a size."""

    keys: tuple[Keyframe, ...]
    width: int
    height: int
    loop: bool = False

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.keys[-1].seconds - self.keys[0].seconds

    def cameras(self, frames: int) -> list[Camera]:
        """`frames` cameras at equal times, in the world's frame; of a loop, the last precedes the
        first."""
        share = np.arange(frames) / max(frames if self.loop else frames - 1, 1)
        return [self._lens(*state) for state in zip(*self._at(share * self.duration), strict=True)]

    def _at(self, seconds: Float[np.ndarray, " N"]) -> tuple[np.ndarray, np.ndarray]:
        """Poses and angles of view at times from the start."""
        times = np.array([key.seconds for key in self.keys]) - self.keys[0].seconds
        turns = Rotation.from_matrix(np.stack([key.pose[:3, :3] for key in self.keys])).as_quat()
        # q and -q are one rotation: take the nearer
        signs = np.where((turns[1:] * turns[:-1]).sum(axis=1) < 0, -1.0, 1.0)
        turns[1:] *= np.cumprod(signs)[:, None]
        places = np.stack([key.pose[:3, 3] for key in self.keys])
        fovs = np.array([[key.vertical_fov] for key in self.keys])
        found = curve(times, np.hstack([turns, places, fovs]), seconds, loop=self.loop)
        poses = np.tile(np.eye(4), (len(seconds), 1, 1))
        size = np.linalg.norm(found[:, :4], axis=1, keepdims=True)
        nearest = turns[np.abs(seconds[:, None] - times).argmin(axis=1)]
        poses[:, :3, :3] = Rotation.from_quat(
            np.where(size > 1e-3, found[:, :4], nearest)
        ).as_matrix()
        poses[:, :3, 3] = found[:, 4:7]
        return poses, found[:, 7].clip(NARROWEST, WIDEST)

    def _lens(self, pose: Float[np.ndarray, "4 4"], fov: float) -> Camera:
        focal = 0.5 * self.height / math.tan(math.radians(fov) / 2)
        centre = 0.5 * self.width, 0.5 * self.height
        return Camera(self.width, self.height, focal, focal, *centre, pose)


def curve(
    times: Float[np.ndarray, " K"],
    values: Float[np.ndarray, "K D"],
    at: Float[np.ndarray, " N"],
    *,
    loop: bool = False,
) -> Float[np.ndarray, "N D"]:
    """A smooth curve through values at growing times (cubic Hermite, Catmull-Rom slopes)."""
    if len(times) == 1:
        return np.repeat(values, len(at), axis=0)
    rises = np.diff(values, axis=0) / np.diff(times)[:, None]
    before, after = (rises[-1], rises[0]) if loop else (rises[0], rises[-1])
    around = np.vstack([before, rises, after])
    steps = np.diff(times)
    first, last = (steps[-1], steps[0]) if loop else (steps[0], steps[-1])
    weights = np.hstack([first, steps, last])[:, None]
    slopes = (weights[:-1] * around[:-1] + weights[1:] * around[1:]) / (weights[:-1] + weights[1:])
    index = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
    step = steps[index][:, None]
    s = (at - times[index])[:, None] / step
    return (
        (2 * s**3 - 3 * s**2 + 1) * values[index]
        + (s**3 - 2 * s**2 + s) * step * slopes[index]
        + (3 * s**2 - 2 * s**3) * values[index + 1]
        + (s**3 - s**2) * step * slopes[index + 1]
    )


def write_path(file: Path, path: CameraPath) -> None:
    """Write a path, whole or not at all. Raises OSError."""
    rows = [
        {
            "seconds": key.seconds,
            "vertical_fov": key.vertical_fov,
            "world_from_camera": key.pose.tolist(),
        }
        for key in path.keys
    ]
    about: dict[str, Any] = {"format": FORMAT, "version": VERSION}
    about |= {"convention": "OpenCV: x right, y down, z forward"}
    about |= {"width": path.width, "height": path.height, "loop": path.loop}
    write_json(file, about | {"keyframes": rows})


def keep_path(folder: Path, path: CameraPath) -> Path:
    """Write a path into `folder`/paths/ under the first free name. Raises OSError."""
    (folder / FOLDER).mkdir(exist_ok=True)
    for number in range(1, MOST_KEPT):
        file = folder / FOLDER / f"path-{number}.json"
        if not file.exists():
            write_path(file, path)
            return file
    raise OSError(f"{folder / FOLDER} holds {MOST_KEPT - 1} paths")


def read_path(file: Path) -> CameraPath:
    """The path in a file. Raises DataError, naming the keyframe, on anything else."""
    found = read_json_object(file)
    if found.get("format") != FORMAT:
        raise DataError(file, f'is no camera path ("format" is not {FORMAT!r})', FIX)
    if found.get("version") != VERSION:
        what = f"is of version {found.get('version')!s:.20}, not {VERSION}"
        raise DataError(file, what, "needs a newer rayfield")
    rows = found.get("keyframes")
    if not isinstance(rows, list) or not rows:
        raise DataError(file, "holds no keyframes", FIX)
    if len(rows) > MOST_KEYS:
        raise DataError(file, f"holds {len(rows)} keyframes, more than {MOST_KEYS}", "thin it out")
    keys = [_keyframe(file, index, row) for index, row in enumerate(rows)]
    for index in range(1, len(keys)):
        if keys[index].seconds <= keys[index - 1].seconds:
            raise _wrong(file, index, "is not later than the one before")
    if keys[-1].seconds > LONGEST:
        raise _wrong(file, len(keys) - 1, f"is later than {LONGEST:.0f} seconds")
    loop = found.get("loop", False)
    if not isinstance(loop, bool):
        raise DataError(file, '"loop" is not true or false', FIX)
    return CameraPath(tuple(keys), _side(file, found, "width"), _side(file, found, "height"), loop)


def _keyframe(file: Path, index: int, row: object) -> Keyframe:
    if not isinstance(row, dict):
        raise _wrong(file, index, "is not an object")
    seconds = _number(file, index, row.get("seconds"), "seconds")
    fov = _number(file, index, row.get("vertical_fov"), "vertical_fov")
    if seconds < 0:
        raise _wrong(file, index, "is before the start (seconds below 0)")
    if not NARROWEST <= fov <= WIDEST:
        allowed = f"{NARROWEST:g} to {WIDEST:g} degrees"
        raise _wrong(file, index, f"has a vertical_fov that is not {allowed}")
    rows = row.get("world_from_camera")
    shape = isinstance(rows, list) and len(rows) == 4
    if not shape or not all(isinstance(line, list) and len(line) == 4 for line in rows or ()):
        raise _wrong(file, index, "has no world_from_camera of 4x4 numbers")
    values = [[_number(file, index, x, "world_from_camera") for x in line] for line in rows or ()]
    matrix = np.array(values, np.float64)
    try:
        if not np.array_equal(matrix[3], [0, 0, 0, 1]):
            raise UsageError("its last row is not 0 0 0 1")
        return Keyframe(seconds, cams.checked(matrix), fov)
    except UsageError:
        what = "has a world_from_camera that is no rotation and place"
        raise _wrong(file, index, what) from None


def _number(file: Path, index: int, value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(file, index, f"has no number for {name}")
    return float(value)


def _side(file: Path, found: dict[str, Any], name: str) -> int:
    side = found.get(name)
    if isinstance(side, bool) or not isinstance(side, int) or not 1 <= side <= cams.MAX_SIDE:
        raise DataError(file, f"{name} is not a whole number from 1 to {cams.MAX_SIDE}", FIX)
    return side


def _wrong(file: Path, index: int, what: str) -> DataError:
    return DataError(file, f"keyframe {index} {what}", "correct or remove it")
