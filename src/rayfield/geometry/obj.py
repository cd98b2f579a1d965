"""Wavefront OBJ files: vertices (with colours the common unofficial way), normals, polygons.

Materials, texture coordinates, groups, lines and free-form surfaces are stepped over; no file that
one names is opened, and nothing it asks to run is run.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from rayfield.core.check import DataError
from rayfield.core.types import Mesh
from rayfield.geometry.polygons import Polygons, RawMesh, color_bytes
from rayfield.geometry.textfile import (
    LONGEST,
    Line,
    check_file,
    filled,
    lines,
    number_in,
    shown,
    whole_in,
)
from rayfield.geometry.textured import coordinates_of

CURVED = {b"vp", b"cstype", b"deg", b"bmat", b"step", b"curv", b"curv2", b"surf", b"parm"}
CURVED |= {b"trim", b"hole", b"scrv", b"sp", b"end", b"con", b"bsp", b"bzp", b"cdc", b"cdp", b"res"}
PASSED = {b"vt", b"g", b"o", b"s", b"usemtl", b"mtllib", b"l", b"p", b"mg", b"lod", b"bevel"}
PASSED |= {b"shadow_obj", b"trace_obj", b"c_interp", b"d_interp", b"usemap", b"maplib"}
PASSED |= {b"stech", b"ctech"}
RUNS = {b"call", b"csh"}
MATERIAL = "textured"


class _Reader:
    """What was found so far; `corner_normals` is -1 where a corner has none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.vertices, self.colors, self.normals = array("d"), array("d"), array("d")
        self.sizes, self.corners, self.corner_normals = array("q"), array("q"), array("q")
        self.curved = False

    def read(self, line: Line) -> None:
        number, text = line
        key, *words = text.split()
        if key == b"v":
            self._vertex(number, words)
        elif key == b"f":
            self._face(number, words)
        elif key == b"vn":
            self.normals.extend(self._numbers(number, words, 3))
        elif key in RUNS:
            what = f"line {number}: {shown(key)} would run a command or another file"
            raise DataError(self.path, what, "remove that line if the rest is a mesh")
        elif key in CURVED:
            self.curved = True
        elif key not in PASSED:
            what = f"line {number}: {shown(key)} is no statement of an OBJ file"
            raise DataError(self.path, what, "check that it is one")

    def _vertex(self, number: int, words: list[bytes]) -> None:
        if len(words) not in (3, 4, 6, 7):
            what = (
                f"line {number} has {len(words)} numbers where 3, or 6 with a colour, are expected"
            )
            raise DataError(self.path, what, "check the file")
        self.vertices.extend(self._numbers(number, words[:3], 3))
        if len(words) > 4:
            self.colors.extend(self._numbers(number, words[3:6], 3))

    def _face(self, number: int, words: list[bytes]) -> None:
        self.sizes.append(len(words))
        if all(word.isdigit() and len(word) < 10 and word != b"0" for word in words):
            self.corners.extend([int(word) - 1 for word in words])
            self.corner_normals.extend([-1] * len(words))
            return
        for word in words:
            vertex, *others = word.split(b"/")
            self.corners.append(self._reference(number, vertex, len(self.vertices) // 3))
            normal = others[1] if len(others) > 1 else b""
            known = len(self.normals) // 3
            self.corner_normals.append(self._reference(number, normal, known) if normal else -1)

    def _reference(self, number: int, word: bytes, known: int) -> int:
        """A row from 0: references count from 1, or back from the newest (-1)."""
        try:
            value = int(word) if len(word) < 19 else 0
        except ValueError:
            value = 0
        if not value:
            value = whole_in(self.path, number, word, what="number of a vertex")
        row = value - 1 if value > 0 else known + value
        if row < 0 or value == 0:
            what = f"line {number} refers to vertex {value} after {known} vertices"
            raise DataError(self.path, what, "check the file")
        return row

    def _numbers(self, number: int, words: list[bytes], count: int) -> list[float]:
        try:
            found = [float(word) for word in words]
        except ValueError:
            found = [number_in(self.path, number, word) for word in words]
        if len(found) != count:
            what = f"line {number} has {len(found)} numbers where {count} are expected"
            raise DataError(self.path, what, "check the file")
        return found


def read_obj(path: Path) -> RawMesh:
    """The contents of an OBJ file; DataError for anything but a sound one."""
    check_file(path)
    reader = _Reader(path)
    for line in filled(_joined(path, lines(path))):
        reader.read(line)
    vertices = np.array(reader.vertices).reshape(-1, 3)
    polygons = Polygons(np.array(reader.sizes, np.int64), np.array(reader.corners, np.int64))
    colors = np.array(reader.colors).reshape(-1, 3)
    complete = len(colors) == len(vertices) > 0
    notes = ("curves and free-form surfaces in the file are left out",) if reader.curved else ()
    return RawMesh(
        vertices, polygons, _normals(path, reader), color_bytes(colors) if complete else None, notes
    )


def holds_faces(path: Path) -> bool:
    """Whether an OBJ file has a face."""
    check_file(path)
    return any(text.startswith((b"f ", b"f\t")) for _, text in lines(path))


def encode_obj(mesh: Mesh, *, digits: int) -> bytes:
    """The bytes of an OBJ file, its positions with that many decimals."""
    rows = _places(mesh.vertices, digits)
    if mesh.colors is not None:
        shades = [f"{c / 255:.6f}" for c in range(256)]
        both = zip(rows, mesh.colors.tolist(), strict=True)
        rows = [f"{row} {shades[r]} {shades[g]} {shades[b]}" for row, (r, g, b) in both]
    faces = (mesh.faces + 1).tolist()
    if mesh.normals is None:
        rows += [f"f {a} {b} {c}" for a, b, c in faces]
    else:
        rows += [f"vn {x:.9f} {y:.9f} {z:.9f}" for x, y, z in mesh.normals.tolist()]
        rows += [f"f {a}//{a} {b}//{b} {c}//{c}" for a, b, c in faces]
    return "\n".join(["# rayfield", *rows, ""]).encode()


def encode_textured_obj(
    mesh: Mesh, corners: Float[np.ndarray, "F 3 2"], *, digits: int, materials: str
) -> bytes:
    """The same with the corners of faces at places of a texture (origin at the lower left), that
    the file `materials` names as MATERIAL; without colours of vertices."""
    places, place = coordinates_of(corners)
    rows = [f"mtllib {materials}", *_places(mesh.vertices, digits)]
    rows += [f"vt {u:.7f} {v:.7f}" for u, v in places.tolist()]
    if mesh.normals is not None:
        rows += [f"vn {x:.9f} {y:.9f} {z:.9f}" for x, y, z in mesh.normals.tolist()]
    rows.append(f"usemtl {MATERIAL}")
    each = zip((mesh.faces + 1).tolist(), (place + 1).tolist(), strict=True)
    if mesh.normals is None:
        rows += [f"f {a}/{t} {b}/{u} {c}/{v}" for (a, b, c), (t, u, v) in each]
    else:
        rows += [f"f {a}/{t}/{a} {b}/{u}/{b} {c}/{v}/{c}" for (a, b, c), (t, u, v) in each]
    return "\n".join(["# rayfield", *rows, ""]).encode()


def encode_materials(picture: str) -> bytes:
    """The bytes of the file that goes with a textured OBJ: one matte material, with a picture."""
    rows = (
        f"newmtl {MATERIAL}",
        "Ka 0 0 0",
        "Kd 1 1 1",
        "Ks 0 0 0",
        "illum 1",
        f"map_Kd {picture}",
    )
    return "\n".join(["# rayfield", *rows, ""]).encode()


def _places(vertices: Float[np.ndarray, "V 3"], digits: int) -> list[str]:
    row = f"v %.{digits}f %.{digits}f %.{digits}f"
    return [row % tuple(v) for v in vertices.tolist()]


def _joined(path: Path, source: Iterator[Line]) -> Iterator[Line]:
    """Lines, with those that end in a backslash continued by the next."""
    parts: list[bytes] = []
    first, length = 0, 0
    for number, text in source:
        first = first if parts else number
        goes_on = text.endswith(b"\\")
        if not goes_on and not parts:
            yield number, text
            continue
        parts.append(text[:-1] if goes_on else text)
        length += len(text)
        if length > LONGEST:
            raise DataError(path, f"line {first} goes on for {LONGEST} bytes", "check the file")
        if not goes_on:
            yield first, b" ".join(parts)
            parts, length = [], 0
    if parts:
        yield first, b" ".join(parts)


def _normals(path: Path, reader: _Reader) -> np.ndarray | None:
    """Unit normals of vertices: the mean of those at their corners, or in order without faces."""
    normals, vertices = np.array(reader.normals).reshape(-1, 3), len(reader.vertices) // 3
    if not len(reader.corners):
        return normals if len(normals) == vertices > 0 else None
    at, which = np.array(reader.corners, np.int64), np.array(reader.corner_normals, np.int64)
    if (which < 0).any() or at.max() >= vertices:
        return None
    if which.max() >= len(normals):
        what = f"refers to normal {which.max() + 1} of {len(normals)}"
        raise DataError(path, what, "check that it is complete")
    total = np.stack([np.bincount(at, normals[which, k], vertices) for k in range(3)], axis=1)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.divide(total, length, out=np.zeros_like(total), where=length > 0)
