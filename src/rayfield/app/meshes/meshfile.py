"""A mesh into a file, with what one asks of it before using it, which is kept beside it too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rayfield.core.types import Mesh
from rayfield.geometry.mesh import report
from rayfield.geometry.meshio import write_mesh
from rayfield.geometry.textured import Textured
from rayfield.geometry.textured_io import companions, write_textured

Y_UP = "GLB is y-up by its standard: your (x, y, z) are (x, z, -y) in the file"


def quality_file(path: Path) -> Path:
    """Where the report of a mesh file is kept."""
    return path.with_name(f"{path.name}.quality.json")


def save_mesh(
    path: Path, mesh: Mesh | Textured, *, frame: str, force: bool, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """Write a mesh; its file, the frame it is in, and its report, faces that cross counted too.

    `notes`, on how it was made, are joined by what the format keeps in another way or could not
    keep, if anything. Raises as `write_mesh` and `write_textured` do.
    """
    found: dict[str, Any] = {"file": path.as_posix(), "frame": frame}
    if isinstance(mesh, Textured):
        write_textured(path, mesh, force=force)
        if path.suffix.lower() == ".obj":
            found["beside"] = [file.as_posix() for file in companions(path)]
        mesh, more = mesh.mesh, list[str]()
    else:
        more = write_mesh(path, mesh, force=force)
    notes = [*notes, *more]
    if path.suffix.lower() == ".glb":
        notes.append(Y_UP)
    found |= report(mesh, crossings=True)
    return found | {"notes": notes} if notes else found
