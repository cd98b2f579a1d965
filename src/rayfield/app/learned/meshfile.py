"""A mesh into a file, with what one asks of it before using it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rayfield.core.types import Mesh
from rayfield.geometry.mesh import report
from rayfield.geometry.meshio import write_mesh


def save_mesh(
    path: Path, mesh: Mesh, *, frame: str, force: bool, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """Write a mesh; its file, the frame it is in, and its report, faces that cross counted too.

    `notes`, on how it was made, are joined by what the format keeps in another way or could not
    keep, if anything. Raises as `write_mesh` does.
    """
    notes = [*notes, *write_mesh(path, mesh, force=force)]
    if path.suffix.lower() == ".glb":
        notes.append("GLB is y-up by its standard: your (x, y, z) are (x, z, -y) in the file")
    found = {"file": path.as_posix(), "frame": frame, **report(mesh, crossings=True)}
    return found | {"notes": notes} if notes else found
