"""A file of points, or of a mesh where it has faces."""

from __future__ import annotations

from pathlib import Path

from rayfield.core.check import DataError
from rayfield.geometry import meshio, pointio
from rayfield.geometry.meshio import MeshFile
from rayfield.geometry.pointio import PointFile

SUFFIXES = tuple(dict.fromkeys((*pointio.SUFFIXES, *meshio.SUFFIXES)))
TABLES = (".xyz", ".npy", ".npz")


def usual_up(path: Path) -> str:
    """Which way is up in the world of such a file, as far as its format tells: "y" as in most
    meshes and scans of objects, "z" in STL, in tables of numbers, and in GLB, which is turned when
    it is read."""
    return "z" if path.suffix.lower() in (".stl", ".glb", *TABLES) else "y"


def read_raw(path: Path, *, drop_invalid: bool = False) -> PointFile | MeshFile:
    """The mesh of a file, if it has faces, else its points.

    Points and vertices that are not finite numbers are dropped if `drop_invalid`. Raises DataError
    for them otherwise, and for a file that holds neither.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        known = " ".join(SUFFIXES)
        raise DataError(path, "is not a file of points or of a mesh", f"give one of: {known}")
    if not path.is_file():
        raise DataError(path, "is not a file", "check its name")
    if suffix not in pointio.SUFFIXES:
        return meshio.load_mesh(path, drop_invalid=drop_invalid)
    found = pointio.read_points(path, drop_invalid=drop_invalid)
    return meshio.load_mesh(path, drop_invalid=drop_invalid) if found.faces else found
