"""COLMAP's form: images/ and sparse/0/ with a binary or a text model; splits in test.txt, val.txt.

Each distinct lens becomes a camera of the simplest model that has all of it. No rigs and frames
are written: COLMAP makes one of each for every camera and image then.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.spatial.transform import Rotation

from rayfield.core.types import Camera
from rayfield.data.colmap_model import MODELS, ColmapCamera, lens_of
from rayfield.data.scene import Capture, Frame, intrinsics
from rayfield.data.writers.target import (
    Content,
    Target,
    in_images,
    mask_beside,
    undistorted_unless,
)

GREY = 128
NUMBERS = {name: number for number, (name, _) in MODELS.items()}
HOLDS: frozenset[Content] = frozenset({"points", "colors", "sightings", "splits", "masks", "names"})


class _Image(NamedTuple):
    """A picture as the model has it; `points` are the numbers of the points at `pixels`."""

    name: str
    pose: list[float]
    camera: int
    pixels: Float[np.ndarray, "K 2"]
    points: Int[np.ndarray, " K"]


class _Model(NamedTuple):
    """All of a model; `tracks` say of each point (image, which of its pixels). Ids are from 1."""

    cameras: list[ColmapCamera]
    images: list[_Image]
    places: Float[np.ndarray, "N 3"]
    colors: UInt8[np.ndarray, "N 3"]
    errors: Float[np.ndarray, " N"]
    tracks: list[list[tuple[int, int]]]


def expressed(camera: Camera) -> bool:
    """Whether the lens has no coefficient of r^8, which COLMAP has not."""
    return camera.lens == "fisheye" or not any(camera.distortion[8:])


def place(frames: Sequence[Frame]) -> list[str]:
    """The pictures in images/, without spaces in their names, which text models cannot have."""
    return ["_".join(name.split()) for name in in_images(frames)]


def write_binary(root: Path, capture: Capture) -> None:
    """Write a binary model. Raises OSError."""
    folder, model = _begin(root, capture)
    data = struct.pack("<Q", len(model.cameras))
    for number, lens in enumerate(model.cameras, start=1):
        data += struct.pack("<iiQQ", number, NUMBERS[lens.model], lens.width, lens.height)
        data += struct.pack(f"<{len(lens.parameters)}d", *lens.parameters)
    (folder / "cameras.bin").write_bytes(data)
    parts = [struct.pack("<Q", len(model.images))]
    row = np.dtype([("xy", "<f8", 2), ("point", "<i8")])
    for number, image in enumerate(model.images, start=1):
        parts.append(struct.pack("<i7di", number, *image.pose, image.camera))
        seen = np.empty(len(image.points), row)
        seen["xy"], seen["point"] = image.pixels, image.points + 1
        parts += [image.name.encode() + b"\0", struct.pack("<Q", len(seen)), seen.tobytes()]
    (folder / "images.bin").write_bytes(b"".join(parts))
    parts = [struct.pack("<Q", len(model.places))]
    rows = zip(model.places.tolist(), model.colors.tolist(), model.errors.tolist(), strict=True)
    for number, (at, color, error) in enumerate(rows, start=1):
        track = model.tracks[number - 1]
        parts.append(struct.pack("<Q3d3BdQ", number, *at, *color, error, len(track)))
        parts.append(struct.pack(f"<{2 * len(track)}i", *(n for pair in track for n in pair)))
    (folder / "points3D.bin").write_bytes(b"".join(parts))


def write_text(root: Path, capture: Capture) -> None:
    """Write a text model. Raises OSError."""
    folder, model = _begin(root, capture)
    lines = ["# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]"]
    for number, lens in enumerate(model.cameras, start=1):
        lines.append(_line(number, lens.model, lens.width, lens.height, *lens.parameters))
    _write_lines(folder / "cameras.txt", lines)
    lines = [
        "# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME; POINTS2D[] (X, Y, POINT3D_ID)"
    ]
    for number, image in enumerate(model.images, start=1):
        lines.append(_line(number, *image.pose, image.camera, image.name))
        seen = zip(image.pixels.tolist(), image.points.tolist(), strict=True)
        lines.append(" ".join(_line(x, y, point + 1) for (x, y), point in seen))
    _write_lines(folder / "images.txt", lines)
    lines = ["# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[] (IMAGE_ID, POINT2D_IDX)"]
    rows = zip(model.places.tolist(), model.colors.tolist(), model.errors.tolist(), strict=True)
    for number, (at, color, error) in enumerate(rows, start=1):
        track = (n for pair in model.tracks[number - 1] for n in pair)
        lines.append(_line(number, *at, *color, error, *track))
    _write_lines(folder / "points3D.txt", lines)


def _line(*values: object) -> str:
    """Values in a line; numbers with all their digits."""
    return " ".join(map(str, values))


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _begin(root: Path, capture: Capture) -> tuple[Path, _Model]:
    """The model's folder, with the lists of splits, and what the model holds."""
    folder = root / "sparse" / "0"
    folder.mkdir(parents=True)
    for split in ("test", "val"):
        names = [_inner(frame) for frame in capture.frames if frame.split == split]
        if names:
            _write_lines(folder / f"{split}.txt", names)
    return folder, _model(capture)


def _inner(frame: Frame) -> str:
    return frame.name.removeprefix("images/")


def _model(capture: Capture) -> _Model:
    lenses: dict[tuple[float, ...], int] = {}
    cameras: list[ColmapCamera] = []
    images = []
    points = np.zeros((0, 3)) if capture.points is None else capture.points
    tracks: list[list[tuple[int, int]]] = [[] for _ in points]
    for number, frame in enumerate(capture.frames):
        key = intrinsics(frame.camera)
        if key not in lenses:
            lenses[key] = len(lenses) + 1
            cameras.append(lens_of(frame.camera))
        pixels, seen = _sightings(capture, number)
        for index, point in enumerate(seen.tolist()):
            tracks[point].append((number + 1, index))
        images.append(_Image(_inner(frame), _pose(frame.camera), lenses[key], pixels, seen))
    colors = capture.sparse.colors if capture.sparse else None
    errors = capture.sparse.errors if capture.sparse else None
    return _Model(
        cameras,
        images,
        points,
        np.full((len(points), 3), GREY, np.uint8) if colors is None else colors,
        np.full(len(points), -1.0) if errors is None else errors,
        tracks,
    )


def _sightings(capture: Capture, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The pixels of a picture that show points, and which."""
    seen = capture.sparse.sightings if capture.sparse else None
    if seen is None:
        return np.zeros((0, 2)), np.zeros(0, np.int64)
    mine = seen.frame == number
    return seen.pixel[mine], seen.point[mine]


def _pose(camera: Camera) -> list[float]:
    """camera_from_world: quaternion (w, x, y, z) and translation."""
    turn = camera.pose[:3, :3].T
    x, y, z, w = Rotation.from_matrix(turn).as_quat().tolist()
    return [w, x, y, z, *(-turn @ camera.pose[:3, 3]).tolist()]


BINARY, TEXT = (
    Target(write, undistorted_unless(expressed), place, mask_beside, HOLDS)
    for write in (write_binary, write_text)
)
