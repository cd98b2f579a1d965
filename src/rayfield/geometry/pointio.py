"""Point clouds from files: PLY, XYZ and PWN text, NPY, NPZ, and OBJ or OFF without faces.

Positions are kept in double precision. Normals are made unit; few that are missing are taken from
the nearest point that has one.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rayfield.core.check import DataError
from rayfield.core.types import PointCloud
from rayfield.geometry import obj, off
from rayfield.geometry.arrayfile import names_in, read_npy, read_npz
from rayfield.geometry.distance import nearest
from rayfield.geometry.ply import read_vertices
from rayfield.geometry.ply_header import read_header
from rayfield.geometry.textfile import (
    DROPPING,
    FARTHEST,
    check_file,
    contents,
    filled,
    lines,
    rows,
)

MOST = 10**7  # points taken of a file
FLAT = 1e-9  # of the largest extent: what counts as none
FAR_FROM_UNIT = 0.05  # lengths that differ from one by more are no normals', if none is negative
SHAPES = "save points as [N, 3], or [N, 6] with normals"


class PointFile(NamedTuple):
    """The points of a file, what was done to them, in sentences, and how many faces it has."""

    cloud: PointCloud
    notes: tuple[str, ...]
    faces: int = 0


class _Raw(NamedTuple):
    """What a file says: `total` points, of which these were taken, and faces, which were not."""

    points: np.ndarray
    normals: np.ndarray | None
    total: int
    notes: tuple[str, ...] = ()
    faces: int = 0


def read_points(path: Path, *, drop_invalid: bool = False, most: int = MOST) -> PointFile:
    """The points of a file, and their normals where it has them.

    Of more than `most` points every second, third, ... is taken. Points that are not finite
    numbers are dropped if `drop_invalid`. Raises DataError for them otherwise, for files without
    points, and for anything that is not what its name says.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(path, "unknown point format", f"use one of {', '.join(SUFFIXES)}")
    raw = reader(path, most)
    if raw.total == 0:
        raise DataError(path, "holds no points", "check that it is complete")
    notes = [*raw.notes]
    if raw.faces:
        notes.append(f"its {raw.faces} faces are left out: points were asked for")
    if len(raw.points) < raw.total:
        notes.append(f"{len(raw.points)} of its {raw.total} points are taken, evenly through it")
    with np.errstate(invalid="ignore"):  # signalling NaN, that is told as any other
        points = np.array(raw.points, np.float64)
        normals = None if raw.normals is None else np.array(raw.normals, np.float64)
        bad = ~(np.abs(points) < FARTHEST).all(axis=1)
    if bad.any():
        what = f"{int(bad.sum())} points that are not finite numbers"
        if not drop_invalid or bad.all():
            raise DataError(path, f"has {what}", DROPPING)
        notes.append(f"{what} are dropped")
        points, normals = points[~bad], None if normals is None else normals[~bad]
    if normals is not None:
        normals = _unit(points, normals, notes)
    notes += _flatness(points)
    return PointFile(PointCloud(points, normals), tuple(notes), raw.faces)


def _ply(path: Path, most: int) -> _Raw:
    data = contents(path)
    header = read_header(path, data)
    vertex, face = header.element("vertex"), header.element("face")
    total = 0 if vertex is None else vertex.rows
    columns = read_vertices(path, data, header, every=_every(total, most))
    points, normals = (
        np.stack([columns[name] for name in names], axis=1) if set(names) <= set(columns) else None
        for names in (("x", "y", "z"), ("nx", "ny", "nz"))
    )
    assert points is not None
    return _Raw(points, normals, total, faces=0 if face is None else face.rows)


def _text(path: Path, most: int) -> _Raw:
    """Rows of 3, 4 or 6 numbers; a first line with their count is stepped over."""
    check_file(path)
    source = filled(lines(path))
    first = next(source, None)
    if first is None:
        return _Raw(np.zeros((0, 3)), None, 0)
    promised = int(first[1]) if first[1].isdigit() and len(first[1]) < 19 else None
    if promised is not None:
        first = next(source, None)
    width = 3 if first is None else len(first[1].split())
    if width not in (3, 4, 6):
        what = f"has {width} numbers in line {1 if first is None else first[0]}"
        raise DataError(path, what, "write x y z, or x y z nx ny nz, with spaces between")
    kept, total, every = [np.zeros((0, width))], 0, 1
    for block in rows(path, source if first is None else chain([first], source), width):
        kept.append(block[-total % every :: every])
        total += len(block)
        if total / every > 2 * most:  # thinned as it grows, so that it fits
            kept, every = [np.concatenate(kept)[::2]], 2 * every
    if promised not in (None, total):
        raise DataError(path, f"promises {promised} points, but holds {total}", "copy it again")
    return _columns(np.concatenate(kept)[:: _every(-(-total // every), most)], total)


def _npy(path: Path, most: int) -> _Raw:
    array = read_npy(path)
    if array.ndim != 2 or array.shape[1] not in (3, 6):
        raise DataError(path, f"has shape {list(array.shape)}", SHAPES)
    return _columns(array[:: _every(len(array), most)], len(array))


def _npz(path: Path, most: int) -> _Raw:
    names = names_in(path)
    if "occupancies" in names:  # points.npz of the Occupancy Networks' data
        what = "holds points of space and their occupancies, not points of a surface"
        raise DataError(path, what, "give the pointcloud.npz beside it")
    arrays = read_npz(path, ("points", "normals"))
    points, normals = arrays.get("points"), arrays.get("normals")
    if points is None:
        held = f", but {', '.join(names)!r:.80}" if names else ""
        raise DataError(path, f"holds no array 'points'{held}", SHAPES)
    if points.ndim != 2 or points.shape[1] not in (3, 6):
        raise DataError(path, f"has points of shape {list(points.shape)}", SHAPES)
    if normals is not None and normals.shape != (len(points), 3):
        what = f"has normals of shape {list(normals.shape)} for {len(points)} points"
        raise DataError(path, what, "save a normal for each point")
    every, total = _every(len(points), most), len(points)
    if normals is None:
        return _columns(points[::every], total)
    return _Raw(points[::every, :3], normals[::every], total)


def _obj(path: Path, most: int) -> _Raw:
    raw = obj.read_obj(path)
    every, total = _every(len(raw.vertices), most), len(raw.vertices)
    normals = None if raw.normals is None else raw.normals[::every]
    return _Raw(raw.vertices[::every], normals, total, faces=len(raw.polygons.sizes))


def _off(path: Path, most: int) -> _Raw:
    raw = off.read_off(path)
    every, total = _every(len(raw.vertices), most), len(raw.vertices)
    normals = None if raw.normals is None else raw.normals[::every]
    return _Raw(raw.vertices[::every], normals, total, faces=len(raw.polygons.sizes))


_READERS: dict[str, Callable[[Path, int], _Raw]] = {
    ".ply": _ply,
    ".xyz": _text,
    ".pwn": _text,
    ".npy": _npy,
    ".npz": _npz,
    ".obj": _obj,
    ".off": _off,
}
SUFFIXES = tuple(_READERS)


def _every(total: int, most: int) -> int:
    """The least step through `total` rows that meets no more than `most`."""
    return max(1, -(-total // most))


def _columns(table: np.ndarray, total: int) -> _Raw:
    """The first three columns as points, the last three of six as normals unless colours."""
    width = table.shape[1]
    if width == 4:
        return _Raw(table[:, :3], None, total, ("its fourth column is left out",))
    if width == 3:
        return _Raw(table, None, total)
    others = table[:, 3:]
    if _are_colours(others):
        note = "its last three columns are taken for colours and left out"
        return _Raw(table[:, :3], None, total, (note,))
    return _Raw(table[:, :3], others, total)


def _are_colours(columns: Float[np.ndarray, "N 3"]) -> bool:
    """Whether columns are bytes, or from 0 to 1 and of all lengths; normals look all ways."""
    if not len(columns) or not columns.min() >= 0:
        return False
    if columns.max() > 1:
        return not (columns % 1).any()
    length = np.linalg.norm(columns, axis=1)
    return bool(length.any() and np.median(np.abs(length[length > 0] - 1)) > FAR_FROM_UNIT)


def _unit(
    points: Float[np.ndarray, "N 3"], normals: Float[np.ndarray, "N 3"], notes: list[str]
) -> Float[np.ndarray, "N 3"] | None:
    """Unit normals: missing ones from the nearest point that has one; None if half are missing."""
    with np.errstate(invalid="ignore", over="ignore"):
        length = np.linalg.norm(normals, axis=1)
        good = (length > 1e-30) & np.isfinite(length)
    if good.sum() <= len(good) / 2:
        notes.append(f"its normals are left out: {int((~good).sum())} of them are zero or NaN")
        return None
    if not good.all():
        notes.append(f"{int((~good).sum())} missing normals are those of the nearest point")
        normals, source = normals.copy(), np.flatnonzero(good)
        normals[~good] = normals[source[nearest(points[~good], points[good]).neighbour]]
        length = np.linalg.norm(normals, axis=1)
    if np.abs(length - 1).max() > 0.01:
        notes.append("its normals are made unit")
    return normals / length[:, None]


def _flatness(points: Float[np.ndarray, "N 3"]) -> list[str]:
    """A warning where the points span no volume."""
    centered = points - points.mean(axis=0)
    size = np.abs(centered).max()
    if not size > 0:
        return ["all its points coincide"]
    extents = np.linalg.svd(np.linalg.qr(centered / size, mode="r"), compute_uv=False)
    spanned = int((extents > FLAT * extents[0]).sum())
    return {1: ["all its points lie on a line"], 2: ["all its points lie in a plane"]}.get(
        spanned, []
    )
