"""Triangle meshes to files and back: GLB, PLY, OBJ, STL, OFF.

Written: GLB, PLY and OBJ with colours and normals, OFF with colours, STL with positions alone. OBJ
carries colours the common unofficial way (`v x y z r g b`). PLY has positions in single precision
where that keeps seven digits of the mesh's size, else in double; OBJ and OFF have nine digits of
the size; GLB keeps a mesh far from the origin under a node that moves it there. STL has single
precision alone, and `write_mesh` says where that blurs a mesh.

GLB is y-up by its standard, and our worlds are z-up: writing turns (x, y, z) into (x, z, -y) and
reading turns it back. Its colours are linear light, ours sRGB: they are converted too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rayfield.core.check import DataError, RayfieldError, UsageError
from rayfield.core.types import Mesh
from rayfield.geometry.glb_read import read_glb
from rayfield.geometry.glb_write import encode_glb
from rayfield.geometry.mesh import edge_uses, select_faces, transform, weld
from rayfield.geometry.obj import encode_obj, read_obj
from rayfield.geometry.off import encode_off, read_off
from rayfield.geometry.ply import encode_ply, read_ply
from rayfield.geometry.polygons import RawMesh, triangulate
from rayfield.geometry.stl import encode_stl, read_stl
from rayfield.geometry.textfile import DROPPING, FARTHEST
from rayfield.geometry.wholefile import write_whole

Y_UP = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], dtype=np.float64)
BLUR = 1e-7  # of the size: more is too much to lose
MOST_VERTICES = 2**31 - 1

_READERS: dict[str, Callable[[Path], RawMesh]] = {
    ".glb": read_glb,
    ".ply": read_ply,
    ".obj": read_obj,
    ".stl": read_stl,
    ".off": read_off,
}
SUFFIXES = tuple(_READERS)


class MeshFile(NamedTuple):
    """The mesh of a file, and what was done to it, in sentences."""

    mesh: Mesh
    notes: tuple[str, ...]


def check_target(path: Path, *, force: bool = False) -> None:
    """Refuse, before any work, a file name that `write_mesh` would refuse.

    `UsageError` for an unknown extension; `RayfieldError` for a file that exists, unless `force`.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: unknown mesh format; end the name in one of {_known()}")
    if path.is_dir():
        raise RayfieldError(f"{path}: is a folder; name a file")
    if path.exists() and not force:
        raise RayfieldError(f"{path}: exists already; choose another name or force overwriting")


def write_mesh(path: Path, mesh: Mesh, *, force: bool = False) -> list[str]:
    """Write a mesh in the format its extension names; what the format could not keep, if anything.

    The file appears complete or not at all. Raises as `check_target` does, and `RayfieldError`
    for a mesh without faces or when the disk refuses.
    """
    check_target(path, force=force)
    if not len(mesh.faces):
        raise RayfieldError(f"{path}: not written, as the mesh has no faces")
    write_whole(path, _encode(mesh, path.suffix.lower()))
    return _lost(mesh, path.suffix.lower())


def read_mesh(path: Path, *, drop_invalid: bool = False) -> Mesh:
    """The mesh of a file, as `load_mesh` reads it."""
    return load_mesh(path, drop_invalid=drop_invalid).mesh


def load_mesh(path: Path, *, drop_invalid: bool = False) -> MeshFile:
    """Read a triangle mesh; files it refers to (materials, buffers) are never opened.

    Polygons are cut into triangles, and faces that name one vertex twice are left out. Where the
    mesh is open, vertices at exactly the same place are joined, as in STL, where every facet has
    its own. Vertices that are not finite numbers are dropped with their faces if `drop_invalid`;
    otherwise, and for anything that is not a mesh, `DataError`.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(path, "unknown mesh format", f"use one of {_known()}")
    with np.errstate(invalid="ignore"):  # signalling NaN, that is told as any other
        raw = reader(path)
    notes = [*raw.notes]
    mesh = _finite(path, _triangles(path, raw, notes), notes, drop=drop_invalid)
    normals = _unit(mesh.normals, notes)
    mesh = Mesh(mesh.vertices, mesh.faces, normals, mesh.colors)
    if path.suffix.lower() == ".stl":
        mesh = weld(mesh)
    elif (edge_uses(mesh)[1] == 1).any():
        joined = weld(mesh)
        if fewer := len(mesh.vertices) - len(joined.vertices):
            notes.append(f"{fewer} vertices that coincide with others are joined with them")
        mesh = joined
    mesh = _proper(path, mesh, notes)
    return MeshFile(
        transform(mesh, Y_UP.T) if path.suffix.lower() == ".glb" else mesh, tuple(notes)
    )


def _known() -> str:
    return ", ".join(SUFFIXES)


def _triangles(path: Path, raw: RawMesh, notes: list[str]) -> Mesh:
    """Triangles that refer to vertices."""
    sizes, corners = raw.polygons
    count = len(raw.vertices)
    if not len(sizes):
        raise DataError(path, f"holds no faces, but {count} points", "give a mesh with faces")
    if count > MOST_VERTICES:
        raise DataError(path, f"has {count} vertices", f"at most {MOST_VERTICES} are read")
    out = np.flatnonzero((corners < 0) | (corners >= count))
    if len(out):
        face = int(np.searchsorted(np.cumsum(sizes), out[0], side="right"))
        what = (
            f"has {len(out)} corners beyond its {count} vertices, first {corners[out[0]]} in face"
        )
        raise DataError(path, f"{what} {face}", "check that it is complete")
    if few := int((sizes < 3).sum()):
        notes.append(f"{few} faces of fewer than three corners are left out")
    if more := int((sizes > 3).sum()):
        notes.append(f"{more} polygons are cut into triangles")
    faces = triangulate(raw.vertices, raw.polygons).astype(np.int32)
    return Mesh(raw.vertices, faces, raw.normals, raw.colors)


def _finite(path: Path, mesh: Mesh, notes: list[str], *, drop: bool) -> Mesh:
    """The mesh without vertices that are not finite numbers."""
    with np.errstate(invalid="ignore"):
        bad = ~(np.abs(mesh.vertices) < FARTHEST).all(axis=1)
    if not bad.any():
        return mesh
    what = f"{int(bad.sum())} vertices that are not finite numbers"
    if not drop:
        raise DataError(path, f"has {what}", DROPPING)
    keep = ~bad[mesh.faces].any(axis=1)
    notes.append(f"{what} are dropped, and {int((~keep).sum())} faces with them")
    return select_faces(mesh, keep)


def _proper(path: Path, mesh: Mesh, notes: list[str]) -> Mesh:
    """The mesh without faces that name one vertex twice, and without vertices of no face, which
    would count to its box; DataError where no face is left.
    """
    a, b, c = mesh.faces.T
    keep = (a != b) & (b != c) & (c != a)
    if gone := int((~keep).sum()):
        notes.append(f"{gone} faces without area are left out")
    if not keep.any():
        raise DataError(path, "has no triangle with three corners", "check what exported it")
    used = select_faces(mesh, keep)
    if fewer := len(mesh.vertices) - len(used.vertices):
        notes.append(f"{fewer} vertices that no face uses are left out")
    return used


def _unit(normals: np.ndarray | None, notes: list[str]) -> np.ndarray | None:
    """Unit normals; None where some are not finite."""
    if normals is None:
        return None
    if not (np.abs(normals) < FARTHEST).all():
        notes.append("its normals are left out, as some are not finite numbers")
        return None
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)


def _encode(mesh: Mesh, suffix: str) -> bytes:
    """The bytes of a mesh file."""
    if suffix == ".glb":
        turned = transform(mesh, Y_UP)
        return encode_glb(turned, origin=middle_of(turned))
    if suffix == ".ply":
        return encode_ply(mesh, double=blur_of(mesh) > BLUR)
    if suffix == ".stl":
        return encode_stl(mesh)
    if suffix == ".obj":
        return encode_obj(mesh, digits=decimals_of(mesh))
    return encode_off(mesh.vertices, mesh.faces, mesh.colors, digits=decimals_of(mesh))


def decimals_of(mesh: Mesh) -> int:
    """Decimals that text needs: nine digits of the mesh's size."""
    size = float(np.ptp(mesh.vertices, axis=0).max())
    return min(300, max(1, 9 - math.floor(math.log10(size)))) if size > 0 else 9


def middle_of(mesh: Mesh) -> Float[np.ndarray, " 3"] | None:
    """Where single precision should count from, if not from the origin, which would blur it."""
    if blur_of(mesh) <= BLUR:
        return None
    return (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2


def blur_of(mesh: Mesh) -> float:
    """How far single precision may move a vertex, by the size of the mesh."""
    size = float(np.ptp(mesh.vertices, axis=0).max())
    farthest = float(np.abs(mesh.vertices).max())
    return farthest * 2.0**-24 / size if size > 0 else 0.0


def _lost(mesh: Mesh, suffix: str) -> list[str]:
    """What a format could not keep of a mesh."""
    blur = blur_of(mesh)
    if suffix != ".stl" or blur <= 10 * BLUR:
        return []
    return [
        f"STL has single precision: vertices so far from the origin may move by {blur:.1g} of the "
        "mesh's size; PLY, OBJ and GLB keep them"
    ]
