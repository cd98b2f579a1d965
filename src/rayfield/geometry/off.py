"""OFF files: text of vertices and polygons, with colours and normals where the first word says so.

Geomview's format: [C][N]OFF, then counts, then "x y z [nx ny nz] [r g b [a]]" per vertex, then
"n i j k ..." per face. Colours of faces are stepped over. The first word may touch the counts, as
in the files of ModelNet.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from rayfield.core.check import DataError
from rayfield.geometry.polygons import Polygons, RawMesh, color_bytes
from rayfield.geometry.textfile import (
    Line,
    all_rows,
    check_file,
    filled,
    lines,
    shown,
    whole_in,
    wholes_in,
)

FIRST = re.compile(rb"(C?N?C?)OFF(?=[\s\d-]|$)\s*(.*)", re.DOTALL)
AGAIN = "copy or export it again"


def read_off(path: Path) -> RawMesh:
    """The contents of an OFF file; DataError for anything but a sound one."""
    size = check_file(path)
    source = filled(lines(path))
    kinds, source = _first(path, source)
    vertices, faces = _counts(path, source, size)
    number, text = next(source, (0, b""))
    width = len(text.split())
    extra = 3 if b"N" in kinds else 0
    allowed = (6 + extra, 7 + extra) if b"C" in kinds else (3 + extra,)
    if vertices and width not in allowed:
        expected = " or ".join(map(str, allowed))
        what = f"line {number} has {width} numbers where {expected} are expected"
        raise DataError(path, what, "check the file")
    source = chain([(number, text)], source) if text else source
    table = all_rows(path, source, width, count=vertices, what="vertices")
    polygons = _faces(path, source, faces)
    colors = color_bytes(table[:, 3 + extra : 6 + extra]) if b"C" in kinds and vertices else None
    normals = table[:, 3:6] if extra and vertices else None
    return RawMesh(table[:, :3].reshape(-1, 3), polygons, normals, colors)


def holds_faces(path: Path) -> bool:
    """Whether the counts of an OFF file promise faces."""
    size = check_file(path)
    _, source = _first(path, filled(lines(path)))
    return _counts(path, source, size)[1] > 0


def encode_off(
    vertices: np.ndarray, faces: np.ndarray, colors: np.ndarray | None, *, digits: int
) -> bytes:
    """The bytes of an OFF file, its numbers with that many decimals."""
    row = f"%.{digits}f %.{digits}f %.{digits}f"
    rows = [row % tuple(v) for v in vertices.tolist()]
    if colors is not None:
        rows = [
            f"{row} {r} {g} {b} 255" for row, (r, g, b) in zip(rows, colors.tolist(), strict=True)
        ]
    triangles = [f"3 {a} {b} {c}" for a, b, c in faces.tolist()]
    word = "OFF" if colors is None else "COFF"
    return "\n".join([word, f"{len(rows)} {len(triangles)} 0", *rows, *triangles, ""]).encode()


def _first(path: Path, source: Iterator[Line]) -> tuple[bytes, Iterator[Line]]:
    """What the first word adds to OFF, and the lines after it."""
    number, text = next(source, (1, b""))
    found = FIRST.fullmatch(text)
    if found is None:
        raise DataError(path, f"line {number}: {shown(text)} is not how OFF begins", AGAIN)
    kinds, rest = found.groups()
    if rest.upper().startswith(b"BINARY"):
        raise DataError(path, "is a binary OFF file", "export it as text, or as PLY")
    return kinds, chain([(number, rest)], source) if rest else source


def _counts(path: Path, source: Iterator[Line], size: int) -> tuple[int, int]:
    """How many vertices and faces there are, as far as the file can hold them."""
    number, text = next(source, (1, b""))
    words = text.split()
    if len(words) not in (2, 3):
        raise DataError(path, f"line {number}: {shown(text)} are no counts", AGAIN)
    vertices, faces = (whole_in(path, number, word, what="count") for word in words[:2])
    if min(vertices, faces) < 0 or 6 * vertices + 2 * faces > size + 2:
        promised = f"promises {vertices} vertices and {faces} faces"
        raise DataError(path, f"{promised}, which its {size} bytes cannot hold", AGAIN)
    return vertices, faces


def _faces(path: Path, source: Iterator[Line], count: int) -> Polygons:
    sizes, corners = array("q"), array("q")
    for _ in range(count):
        number, text = next(source, (0, b""))
        if not text:
            raise DataError(path, f"ends after {len(sizes)} of {count} faces", AGAIN)
        words = text.split()
        size = whole_in(path, number, words[0], what="number of corners")
        if not 0 <= size < len(words):
            what = f"line {number} has {len(words) - 1} values for {size} corners"
            raise DataError(path, what, AGAIN)
        corners.extend(wholes_in(path, number, words[1 : size + 1], what="number of a vertex"))
        sizes.append(size)
    return Polygons(np.array(sizes, np.int64), np.array(corners, np.int64))
