"""From the surface as it was found to the mesh that is kept: pieces, faces, colours, texture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rayfield.app.drawing.surfaces import KEEP_FRACTION
from rayfield.app.meshes.meshing import Meshing
from rayfield.app.meshes.skin import Skin
from rayfield.app.meshes.texture import textured
from rayfield.core.check import UsageError
from rayfield.core.types import Mesh
from rayfield.geometry.mesh import components, keep_largest
from rayfield.geometry.simplify import simplify
from rayfield.geometry.textured import Textured

UNWRAPPED = 20_000  # faces that a textured mesh has unless asked otherwise; more take minutes


def finished(
    mesh: Mesh,
    skin: Skin,
    meshing: Meshing,
    *,
    notes: list[str],
    progress: Callable[[float], None] = lambda _: None,
) -> Mesh | Textured:
    """The mesh as `meshing` wants it, in the scene's frame; remarks are added to `notes`.

    Raises UsageError for a texture of what has no colours, RayfieldError as `simplify` and
    `textured` do.
    """
    if meshing.texture is not None and skin.color is None:
        raise UsageError("--texture is for runs that learned colours; leave it out")
    mesh = largest(mesh, meshing.pieces, notes)
    mesh = skin.settled(replace(mesh, normals=skin.normals(mesh)), notes)
    budget = meshing.faces
    if budget is None and meshing.texture is not None and len(mesh.faces) > UNWRAPPED:
        budget = UNWRAPPED
        notes.append(
            f"reduced from {len(mesh.faces):,} faces to {budget:,} for the texture, which keeps "
            "the detail; --faces asks for another number"
        )
    if budget is not None:
        mesh = reduced(mesh, budget, notes)
    progress(0.3)
    if skin.color is None:
        return mesh
    if meshing.texture is None:
        assert mesh.normals is not None
        return replace(mesh, colors=skin.color(mesh.vertices, mesh.normals))
    return textured(
        mesh, skin.color, meshing.texture, progress=lambda done: progress(0.3 + 0.7 * done)
    )


def largest(mesh: Mesh, pieces: int | None, notes: list[str]) -> Mesh:
    """The mesh without crumbs, of less than KEEP_FRACTION of the area of the largest piece, and at
    most so many pieces."""
    kept = keep_largest(mesh, count=pieces, fraction=KEEP_FRACTION)
    if len(kept.faces) < len(mesh.faces):
        gone = int(components(mesh).max()) - int(components(kept).max())
        limit = f"less than {100 * KEEP_FRACTION:g} % of the area of the largest"
        if pieces is not None and int(components(kept).max()) + 1 == pieces:
            limit = f"less area than the {pieces} kept" if pieces > 1 else "less area than the one"
        notes.append(f"{gone} separate pieces of {limit} are left out")
    return kept


def reduced(mesh: Mesh, faces: int, notes: list[str]) -> Mesh:
    """The mesh with at most so many faces, as far as its pieces and tunnels allow."""
    found, crossings = simplify(mesh, faces)
    if len(found.faces) > faces:
        notes.append(
            f"its pieces and tunnels need {len(found.faces):,} faces, more than the {faces:,} "
            "asked for; fewer cells (--resolution) have fewer tunnels"
        )
    if crossings and found is not mesh:
        notes.append(
            f"so few faces cross each other in {crossings:,} places; give more, or fewer cells "
            "(--resolution)"
        )
    return found
