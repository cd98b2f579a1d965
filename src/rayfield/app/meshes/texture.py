"""A picture for a mesh: its faces laid out on it, and their colours asked of the field.

The layout comes from xatlas, of the extra [mesh].
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from rayfield.app.meshes.skin import ColorOf
from rayfield.core.check import RayfieldError
from rayfield.core.parts import in_parts
from rayfield.core.types import Mesh
from rayfield.geometry.mesh import vertex_normals
from rayfield.geometry.texels import Texels, fill_gaps, texels
from rayfield.geometry.textured import Textured

MARGIN = 4  # texels between charts
TOGETHER = 2**16  # texels coloured at a time, at most
INSTALL = "install it: pip install 'rayfield[mesh]'"


def textured(
    mesh: Mesh, color: ColorOf, side: int, *, progress: Callable[[float], None] = lambda _: None
) -> Textured:
    """The mesh with a square picture of `side` texels a side, without colours at vertices.

    Raises RayfieldError where xatlas is not installed.
    """
    corners = laid_out(mesh, side)
    progress(0.5)
    found = texels(corners, side)
    picture = np.zeros((side, side, 3), np.uint8)

    def paint(rows: slice) -> None:
        part = Texels(*(column[rows] for column in found))
        points, normals = _on_faces(mesh, part)
        picture[part.row, part.column] = color(points, normals)
        progress(0.5 + 0.5 * rows.stop / len(found.row))

    if len(found.row):
        in_parts(paint, len(found.row), TOGETHER)
    file = io.BytesIO()
    Image.fromarray(fill_gaps(picture, found)).save(file, "PNG")
    return Textured(Mesh(mesh.vertices, mesh.faces, mesh.normals), corners, file.getvalue())


def check_installed() -> None:
    """Raise RayfieldError where textures cannot be made, before any work."""
    _xatlas()


def laid_out(mesh: Mesh, side: int) -> Float[np.ndarray, "F 3 2"]:
    """Texture coordinates of the corners of every face, with margins for `side` texels a side.

    The same mesh gets the same layout. Raises RayfieldError where xatlas is not installed.
    """
    xatlas = _xatlas()
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    size = float((high - low).max()) or 1.0
    atlas = xatlas.Atlas()
    places = ((mesh.vertices - low) / size).astype(np.float32)
    atlas.add_mesh(places, mesh.faces.astype(np.uint32))
    packing = xatlas.PackOptions()
    packing.resolution, packing.padding, packing.bilinear = side, MARGIN, True
    packing.create_image = False
    atlas.generate(pack_options=packing)
    vertex, faces, coordinates = atlas[0]
    if atlas.atlas_count > 1 or not np.array_equal(vertex[faces], mesh.faces):
        raise RayfieldError("the faces could not be laid out on one picture; give fewer (--faces)")
    return coordinates[faces].astype(np.float64).clip(0, 1)


def _on_faces(mesh: Mesh, found: Texels) -> tuple[np.ndarray, np.ndarray]:
    """Where texels lie on the mesh, and the normals there."""
    corners = mesh.faces[found.face]
    normals = vertex_normals(mesh) if mesh.normals is None else mesh.normals
    points = np.einsum("tc,tck->tk", found.weights, mesh.vertices[corners])
    smooth = np.einsum("tc,tck->tk", found.weights, normals[corners])
    return points, smooth / np.linalg.norm(smooth, axis=1, keepdims=True).clip(1e-12)


def _xatlas() -> Any:
    try:
        import xatlas
    except ImportError:
        raise RayfieldError(f"a texture needs xatlas, which is not here; {INSTALL}") from None
    return xatlas
