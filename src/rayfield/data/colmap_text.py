"""COLMAP's text models: a strict reader of cameras.txt, images.txt and points3D.txt.

Lines that begin with # are comments. Every error names its line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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

PARAMETERS = dict(MODELS.values())
AGAIN = "export the model again as text"
LARGEST_ID = 2**63 - 1


class Line(NamedTuple):
    """A line of a file, without its end, and its number from 1."""

    path: Path
    number: int
    text: str

    def error(self, what: str, fix: str = AGAIN) -> DataError:
        """A DataError that names the line."""
        return DataError(self.path, f"line {self.number}: {what}", fix)

    def numbers(self, words: list[str]) -> list[float]:
        """Words as numbers."""
        found = []
        for word in words:
            try:
                found.append(float(word))
            except ValueError:
                comma = "," in word
                fix = "write decimals with a point" if comma else AGAIN
                raise self.error(f"{word!r:.40} is not a number", fix) from None
        return found

    def integer(self, word: str, what: str) -> int:
        """A word as a whole number."""
        if not (word.isascii() and word.removeprefix("-").isdigit() and len(word) <= 19):
            raise self.error(f"{what} {word!r:.40} is not a whole number")
        return int(word)


def _lines(path: Path) -> Iterator[Line]:
    """All lines of a UTF-8 file."""
    raw = contents(path, limit=MOST_BYTES)
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(path, "is UTF-16 text", "save it as UTF-8")
    for number, part in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            yield Line(path, number, part.decode("utf-8").strip())
        except UnicodeDecodeError:
            raise DataError(path, f"line {number} is not UTF-8", "save it as UTF-8") from None


def _records(path: Path) -> Iterator[Line]:
    """The lines that are neither empty nor comments."""
    return (line for line in _lines(path) if line.text and line.text[0] != "#")


def read_cameras(path: Path) -> dict[int, ColmapCamera]:
    """The lenses of cameras.txt by id."""
    cameras: dict[int, ColmapCamera] = {}
    for line in _records(path):
        words = line.text.split()
        if len(words) < 4:
            raise line.error("is no camera: id, model, width, height and parameters are expected")
        key, model = line.integer(words[0], "the id"), words[1]
        if model not in PARAMETERS:
            what = f"camera {key} has the unknown model {model!r:.40}"
            raise line.error(what, "re-estimate it as OPENCV or PINHOLE")
        parameters = line.numbers(words[4:])
        if len(parameters) != PARAMETERS[model]:
            what = f"camera {key} has {len(parameters)} parameters, {model} {PARAMETERS[model]}"
            raise line.error(what)
        if key in cameras:
            raise line.error(f"holds camera {key} a second time")
        width, height = (line.integer(word, "the size") for word in words[2:4])
        camera = ColmapCamera(model, width, height, tuple(parameters))
        cameras[key] = check_camera(camera, path, f"line {line.number}: camera {key}")
    return cameras


def read_images(path: Path) -> tuple[ColmapImage, ...]:
    """The registered pictures of images.txt, with what they observe.

    Two lines each; the second, of what is observed, may be empty.
    """
    images: dict[str, ColmapImage] = {}
    lines = _lines(path)
    for line in lines:
        if not line.text or line.text[0] == "#":
            continue
        words = line.text.split(maxsplit=9)
        if len(words) != 10:
            what = f"has {len(words)} values where an image has 10 (id, pose, camera, name)"
            raise line.error(what)
        numbers = line.numbers(words[1:8])
        name = words[9]
        if name in images:
            raise line.error(f"holds the image {name!r} a second time")
        check_pose(numbers, path, f"line {line.number}: image {name!r}")
        camera = line.integer(words[8], "the camera's id")
        seen, points = _observed(next(lines, None))
        turn, shift = np.array(numbers[:4]), np.array(numbers[4:])
        images[name] = ColmapImage(name, camera, turn, shift, seen, points)
    return tuple(images.values())


def _observed(line: Line | None) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and ids of points of an image's second line, which the last one may lack."""
    words = [] if line is None else line.text.split()
    if line is None or not words:
        return np.empty((0, 2)), np.empty(0, np.int64)
    try:
        if len(words) % 3:
            raise ValueError
        table = np.array(words).reshape(-1, 3)
        return table[:, :2].astype(np.float64), table[:, 2].astype(np.int64)
    except (ValueError, OverflowError):
        pass
    if len(words) == 10 or line.text[0] == "#":
        what = "is no list of what the image before it observes (x, y, id of the point, ...)"
        raise line.error(what, "every image has two lines, the second of them may be empty")
    line.numbers(words)  # names a word that is not a number
    raise line.error(f"holds {len(words)} values, not three for each observation")


def read_points(path: Path) -> ColmapPoints:
    """The points of points3D.txt; those that are not finite are left out."""
    ids, rows, colors, errors = [], [], [], []
    for line in _records(path):
        words = line.text.split(maxsplit=8)
        if len(words) < 8:
            what = f"has {len(words)} values where a point has 8 (id, place, colour, error)"
            raise line.error(what)
        ids.append(line.integer(words[0], "the id"))
        rows.append(line.numbers(words[1:4]))
        color = [line.integer(word, "the colour") for word in words[4:7]]
        if not all(0 <= part <= 255 for part in color) or abs(ids[-1]) > LARGEST_ID:
            raise line.error("the id or the colour is out of range")
        colors.append(color)
        errors.append(line.numbers(words[7:8])[0])
    return ColmapPoints(
        np.array(ids, np.int64),
        np.array(rows, np.float64).reshape(-1, 3),
        np.array(colors, np.uint8).reshape(-1, 3),
        np.array(errors, np.float64),
    ).usable()
