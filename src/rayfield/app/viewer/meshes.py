"""The mesh that goes with a run, as the page draws it: of a file, or made of the field."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float

from rayfield.app.learned.field import TrainedField
from rayfield.app.learned.field_surface import surface
from rayfield.app.meshes.meshing import Meshing
from rayfield.app.viewer.painting import packed
from rayfield.core.types import Mesh
from rayfield.geometry.mesh import transform, vertex_normals
from rayfield.geometry.meshio import SUFFIXES, read_mesh
from rayfield.train.run import Run

RESOLUTION = 128  # cells a side of a mesh that is made to look at
MOST_FACES = 4_000_000
MOST_BYTES = 400_000_000  # of a file
GREY = 200


def newest(run: Run) -> Path | None:
    """The mesh in RUN/meshes that was written last, if there is any."""
    found = []
    with contextlib.suppress(OSError):
        for path in run.meshes.iterdir():
            if path.suffix.lower() in SUFFIXES and path.is_file() and not path.is_symlink():
                found.append((path.stat().st_mtime, path))
    return max(found)[1] if found else None


def from_file(path: Path, world_from_scene: Float[np.ndarray, "4 4"]) -> bytes:
    """A mesh file, in the world's frame, for the page. Raises DataError."""
    return encoded(transform(read_mesh(path), np.linalg.inv(world_from_scene)))


def from_field(field: TrainedField, progress: Callable[[float], None]) -> bytes:
    """The field's own surface, for the page. Raises RayfieldError where there is none."""
    return encoded(surface(field, Meshing(RESOLUTION), progress=progress))


def encoded(mesh: Mesh) -> bytes:
    """Positions (float32), normals (int8 of 127), colours (uint8), faces (uint32), all of them
    in a row after what `packed` puts first; each begins at a multiple of four bytes."""
    normals = vertex_normals(mesh) if mesh.normals is None else mesh.normals
    colors = mesh.colors
    if colors is None:
        colors = np.full((len(mesh.vertices), 3), GREY, np.uint8)
    about = {"vertices": len(mesh.vertices), "faces": len(mesh.faces)}
    about |= {"colored": mesh.colors is not None}
    parts = (
        mesh.vertices.astype("<f4").tobytes(),
        _padded((np.nan_to_num(normals) * 127).round().clip(-127, 127).astype(np.int8)),
        _padded(colors),
        mesh.faces.astype("<u4").tobytes(),
    )
    return packed(about, b"".join(parts))


def _padded(columns: np.ndarray) -> bytes:
    """Three bytes a row become four."""
    return np.pad(columns, ((0, 0), (0, 1))).tobytes()
