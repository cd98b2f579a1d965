"""Files of points: as they are, without any judgement of the numbers."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import trimesh

from rayfield.core.check import DataError
from rayfield.core.types import Mesh, PointCloud
from rayfield.data.files import contents
from rayfield.geometry.meshio import SUFFIXES as MESHES
from rayfield.geometry.meshio import read_mesh

TEXT = (".xyz", ".pwn", ".txt", ".pts")
ARRAYS = (".npy", ".npz")
SUFFIXES = tuple(dict.fromkeys((*TEXT, *ARRAYS, *MESHES)))
MOST_BYTES = 2 * 2**30
COLUMNS = "give x y z, or x y z nx ny nz, in each row"


def read_raw(path: Path) -> PointCloud | Mesh:
    """The points of a file, with normals where it has some, or the mesh in it.

    Raises DataError for a file that holds neither.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        known = " ".join(SUFFIXES)
        raise DataError(path, "is not a file of points or of a mesh", f"give one of: {known}")
    if not path.is_file():
        raise DataError(path, "is not a file", "check its name")
    if suffix in TEXT:
        return _columns(path, _text(path))
    if suffix in ARRAYS:
        return _columns(path, _array(path))
    return _ply(path) if suffix == ".ply" else read_mesh(path)


def _text(path: Path) -> np.ndarray:
    data = io.BytesIO(contents(path, limit=MOST_BYTES))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an empty file, which is told below
            return np.loadtxt(data, dtype=np.float64, ndmin=2, encoding="utf-8")
    except (ValueError, UnicodeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(path, f"is not a table of numbers ({reason})", COLUMNS) from None


def _array(path: Path) -> np.ndarray:
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            if "points" not in loaded.files:
                raise DataError(path, "holds no array named points", "save one [N, 3]")
            parts = [loaded[name] for name in ("points", "normals") if name in loaded.files]
            return np.concatenate(parts, axis=1)
    except DataError:
        raise
    except Exception as error:  # numpy's and zip's parsers fail in every way on damaged files
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise DataError(path, f"is not a readable array ({reason})", "save it again") from None


def _columns(path: Path, table: np.ndarray) -> PointCloud:
    if table.ndim != 2 or table.shape[1] not in (3, 6) or table.dtype.kind not in "fiu":
        what = f"holds an array of {table.dtype} of shape {list(table.shape)}"
        raise DataError(path, what, COLUMNS)
    table = table.astype(np.float64)
    return PointCloud(table[:, :3], table[:, 3:] if table.shape[1] == 6 else None)


def _ply(path: Path) -> PointCloud | Mesh:
    """A PLY file holds a mesh, or, without faces, points."""
    data = contents(path, limit=MOST_BYTES)
    try:
        loaded = trimesh.load(io.BytesIO(data), file_type="ply", process=False)
        raw = loaded.metadata["_ply_raw"]["vertex"]["data"]
        faces = len(loaded.faces) if isinstance(loaded, trimesh.Trimesh) else 0
    except Exception as error:  # its parser fails in every way on damaged files
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DataError(path, f"is not a readable PLY file ({reason})") from None
    if faces:
        return read_mesh(path)
    names = raw.keys() if isinstance(raw, dict) else raw.dtype.names or ()
    if not {"x", "y", "z"} <= set(names):
        raise DataError(path, "has vertices without x, y, z", "save it again")
    points = np.stack([np.ravel(raw[n]).astype(np.float64) for n in "xyz"], axis=1)
    if not {"nx", "ny", "nz"} <= set(names):
        return PointCloud(points)
    normals = np.stack([np.ravel(raw[n]).astype(np.float64) for n in ("nx", "ny", "nz")], axis=1)
    return PointCloud(points, normals)
