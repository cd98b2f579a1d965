"""STL files: three corners per facet, as text or as binary in single precision.

A file is binary if its size is what the count in it demands, whatever its first word; many binary
files begin with "solid".
"""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np

from rayfield.core.check import DataError
from rayfield.core.types import Mesh
from rayfield.geometry.mesh import face_normals
from rayfield.geometry.polygons import Polygons, RawMesh
from rayfield.geometry.textfile import contents, filled, lines, number_in, shown

FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("rest", "<u2")])
HEADER = 84
AGAIN = "copy or export it again"
PASSED = {b"solid", b"facet", b"outer", b"endloop", b"endfacet", b"endsolid", b"color"}


def read_stl(path: Path) -> RawMesh:
    """The contents of an STL file, every facet with corners of its own; DataError for others."""
    data = contents(path)
    count = int.from_bytes(data[80:HEADER].tobytes(), "little") if len(data) >= HEADER else 0
    expected = HEADER + FACET.itemsize * count
    if len(data) >= HEADER and len(data) == expected:
        facets = np.frombuffer(data, FACET, count, HEADER)
        corners = facets["corners"].reshape(-1, 3).astype(np.float64)
    elif (head := data[:512].tobytes().lstrip().lower()).startswith(b"solid") and 0 not in head:
        corners = _text_corners(path)
    elif len(data) < HEADER:
        raise DataError(path, "is neither text nor binary STL", "check its name and " + AGAIN)
    else:
        what = f"promises {count} facets, which take {expected} bytes, but has {len(data)}"
        raise DataError(path, what, AGAIN)
    faces = len(corners) // 3
    return RawMesh(corners, Polygons(np.full(faces, 3), np.arange(3 * faces)))


def encode_stl(mesh: Mesh) -> bytes:
    """The bytes of a binary STL file."""
    facets = np.zeros(len(mesh.faces), FACET)
    normals = face_normals(mesh)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    facets["normal"] = np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)
    facets["corners"] = mesh.vertices[mesh.faces]
    return b"rayfield".ljust(80) + len(facets).to_bytes(4, "little") + facets.tobytes()


def _text_corners(path: Path) -> np.ndarray:
    """The corners [3 F, 3] of a text file."""
    corners, solids = array("d"), 0
    for number, text in filled(lines(path), b"\0"):
        key, *words = text.split()
        key = key.lower()
        if key == b"vertex" and len(words) == 3:
            corners.extend(number_in(path, number, word) for word in words)
        elif key == b"endloop" and len(corners) % 9:
            raise DataError(path, f"line {number} ends a facet that is no triangle", AGAIN)
        elif key not in PASSED:
            what = f"line {number}: {shown(text)} is no statement of a text STL file"
            raise DataError(path, what, AGAIN)
        solids += (key == b"solid") - (key == b"endsolid")
    if solids > 0 or len(corners) % 9:
        raise DataError(path, f"ends within its facet {len(corners) // 9 + 1}", AGAIN)
    return np.array(corners).reshape(-1, 3)
