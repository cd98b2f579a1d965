"""What a browser may say to the viewer: one JSON object a message, distrusted to the last number.

Numbers out of range are brought back into it; what has the wrong shape is no message at all.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float

from rayfield.core.types import Camera

Mode = Literal["color", "depth", "normals", "opacity", "samples"]
MODES: tuple[Mode, ...] = get_args(Mode)
Matrix = Float[np.ndarray, "4 4"]

MOST_PIXELS = 1920 * 1200  # of a picture in the window
MOST_SAVED = 4096 * 4096  # of one to keep
LONGEST_SIDE = 8192.0
NARROWEST, WIDEST = 1.0, 150.0  # degrees, vertical
FARTHEST = 1e6  # scene units from the middle of the scene
MOST_KEYS = 2000  # of a camera path


class Unspeakable(Exception):  # noqa: N818 - says what was heard
    """No message of ours: whoever sent it is not our page."""


class Look(NamedTuple):
    """What a window wants to see. `pose` is scene_from_camera (OpenCV axes), `fov` the vertical
    angle of view in degrees; `crop` the box (low, high) in the scene to show, None for all of it.
    """

    number: int
    pose: Matrix
    fov: float
    width: int
    height: int
    mode: Mode = "color"
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)
    crop: tuple[tuple[float, float, float], tuple[float, float, float]] | None = None

    def camera(self, width: int, height: int) -> Camera:
        """The look's camera with a picture of that size."""
        up = math.tan(math.radians(self.fov) / 2)
        fy = 0.5 * height / up
        fx = 0.5 * width / (up * self.width / self.height)
        return Camera(width, height, fx, fy, 0.5 * width, 0.5 * height, self.pose)


class Still(NamedTuple):
    """A look to keep as a picture."""

    look: Look


class Seen(NamedTuple):
    """The page has shown a picture: it is ready for another."""


class Pause(NamedTuple):
    """Hold the training, or let it go on."""

    on: bool


class Key(NamedTuple):
    """A camera of a path, as Look has it, `seconds` after its start."""

    seconds: float
    pose: Matrix
    fov: float


class Path(NamedTuple):
    """A camera path to keep; `width` and `height` are those of the window."""

    keys: tuple[Key, ...]
    width: int
    height: int
    loop: bool


class WantMesh(NamedTuple):
    """Make the mesh, if there is none yet."""


Message = Look | Still | Seen | Pause | Path | WantMesh


def parse(text: str | bytes, home: Matrix) -> Message:
    """The message in a text. A pose that is none is replaced by `home`.

    Raises Unspeakable for what is no message.
    """
    if isinstance(text, bytes):
        raise Unspeakable("bytes are not spoken here")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise Unspeakable("not JSON") from None
    if not isinstance(found, dict):
        raise Unspeakable("not a JSON object")
    reader = _READERS.get(_text(found, "kind"))
    if reader is None:
        raise Unspeakable("no message of that kind")
    return reader(found, home)


def _look(found: dict[str, Any], home: Matrix) -> Look:
    return _a_look(found, home, MOST_PIXELS)


def _still(found: dict[str, Any], home: Matrix) -> Still:
    return Still(_a_look(found, home, MOST_SAVED))


def _a_look(found: dict[str, Any], home: Matrix, most: int) -> Look:
    width, height = _size(found, most)
    mode = _text(found, "mode", "color")
    red, green, blue = (
        _clamped(x, 0.0, 1.0, 1.0) for x in _numbers(found, "background", 3, [1.0, 1.0, 1.0])
    )
    return Look(
        number=int(_clamped(_number(found, "number", 0.0), 0.0, 2.0**53, 0.0)),
        pose=_pose(_numbers(found, "pose", 12), home),
        fov=_clamped(_number(found, "fov", 50.0), NARROWEST, WIDEST, 50.0),
        width=width,
        height=height,
        mode=mode if mode in MODES else "color",
        background=(red, green, blue),
        crop=_crop(found),
    )


def _size(found: dict[str, Any], most: int) -> tuple[int, int]:
    return limited(_number(found, "width", 640.0), _number(found, "height", 480.0), most)


def limited(width: float, height: float, most: int) -> tuple[int, int]:
    """A size of at most `most` pixels in about the proportions given."""
    width, height = (_clamped(side, 1.0, LONGEST_SIDE, 480.0) for side in (width, height))
    scale = min(1.0, math.sqrt(most / (width * height)))
    return max(1, int(width * scale)), max(1, int(height * scale))


def _clamped(value: float, low: float, high: float, otherwise: float) -> float:
    """The value within its range; `otherwise` for NaN."""
    return otherwise if math.isnan(value) else min(max(value, low), high)


def _crop(
    found: dict[str, Any],
) -> tuple[tuple[float, float, float], tuple[float, float, float]] | None:
    if found.get("crop") is None:
        return None
    a, b, c, d, e, f = (_clamped(x, -FARTHEST, FARTHEST, 0.0) for x in _numbers(found, "crop", 6))
    return (min(a, d), min(b, e), min(c, f)), (max(a, d), max(b, e), max(c, f))


def _pose(values: list[float], home: Matrix) -> Matrix:
    """The rigid motion nearest to three rows of numbers; `home` where they are not finite."""
    rows = np.array(values, np.float64).reshape(3, 4)
    if not np.isfinite(rows).all() or np.abs(rows[:, :3]).max() > FARTHEST:
        return home
    u, size, v = np.linalg.svd(rows[:, :3])
    if size[2] < 1e-9:
        return home
    turn = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v))])
    pose = np.eye(4)
    pose[:3, :3] = u @ turn @ v
    pose[:3, 3] = rows[:, 3].clip(-FARTHEST, FARTHEST)
    return pose


def _path(found: dict[str, Any], home: Matrix) -> Path:
    rows = found.get("keys")
    if not isinstance(rows, list) or not 1 <= len(rows) <= MOST_KEYS:
        raise Unspeakable(f"a path has 1 to {MOST_KEYS} keys")
    keys = []
    for row in rows:
        if not isinstance(row, dict):
            raise Unspeakable("a key is an object")
        seconds = _clamped(_number(row, "seconds"), 0.0, 1e5, 0.0)
        fov = _clamped(_number(row, "fov", 50.0), NARROWEST, WIDEST, 50.0)
        keys.append(Key(seconds, _pose(_numbers(row, "pose", 12), home), fov))
    keys.sort(key=lambda key: key.seconds)
    return Path(tuple(keys), *_size(found, MOST_PIXELS), _flag(found, "loop"))


def _text(found: dict[str, Any], name: str, otherwise: str = "") -> str:
    value = found.get(name, otherwise)
    if not isinstance(value, str):
        raise Unspeakable(f"{name} is a text")
    return value


def _flag(found: dict[str, Any], name: str) -> bool:
    value = found.get(name, False)
    if not isinstance(value, bool):
        raise Unspeakable(f"{name} is true or false")
    return value


def _number(found: dict[str, Any], name: str, otherwise: float | None = None) -> float:
    return _float(found.get(name, otherwise), name)


def _numbers(
    found: dict[str, Any], name: str, count: int, otherwise: list[float] | None = None
) -> list[float]:
    values = found.get(name, otherwise)
    if not isinstance(values, list) or len(values) != count:
        raise Unspeakable(f"{name} is {count} numbers")
    return [_float(value, name) for value in values]


def _float(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unspeakable(f"{name} is a number")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


_READERS: dict[str, Callable[[dict[str, Any], Matrix], Message]] = {
    "look": _look,
    "still": _still,
    "path": _path,
    "seen": lambda found, home: Seen(),
    "pause": lambda found, home: Pause(_flag(found, "on")),
    "mesh": lambda found, home: WantMesh(),
}
