"""Fewer faces for the same surface, by collapsing edges in the order of their quadric errors.

Garland and Heckbert 1997, as libigl has it: an edge is collapsed only where that leaves every edge
with its two faces, so a closed mesh stays closed and keeps its tunnels and pieces.
"""

from __future__ import annotations

from typing import NamedTuple

import igl
import numpy as np

from rayfield.core.check import RayfieldError, UsageError
from rayfield.core.types import Mesh
from rayfield.geometry.intersections import self_intersections
from rayfield.geometry.mesh import edge_uses, transform, vertex_normals, volume

FEWEST = 4  # faces of a closed mesh
WATCHED = 2_000_000  # faces up to which edges are also kept from crossing, which takes longer
SHRINKING = 0.05  # share of the volume that a mesh kept from crossing may lose


class Simplified(NamedTuple):
    """A mesh with fewer faces, and how many pairs of its faces cross."""

    mesh: Mesh
    crossings: int


def simplify(mesh: Mesh, faces: int, *, watch: bool = True) -> Simplified:
    """The mesh with at most `faces` faces, or as few as its pieces and tunnels allow.

    Normals are those of the new faces; colours are left out, as vertices move. If faces come to
    cross that did not before, edges are collapsed anew, without those collapses, where that reaches
    as few faces; unless `watch` is off, which takes less time and tells of no crossing. UsageError
    for fewer faces than a closed mesh has; RayfieldError for a mesh with edges of more than two.
    """
    if faces < FEWEST:
        raise UsageError(f"{faces} faces enclose nothing; give {FEWEST} at least")
    if len(mesh.faces) <= faces:
        return Simplified(mesh, self_intersections(mesh) if watch else 0)
    if many := int((edge_uses(mesh)[1] > 2).sum()):
        raise RayfieldError(f"a mesh with {many} edges of more than two faces cannot be reduced")
    small, back = _unit(mesh)
    found = _collapsed(small, faces, watched=False)
    crossings = self_intersections(found) if watch else 0
    if crossings and len(mesh.faces) <= WATCHED and not self_intersections(small):
        again = _collapsed(small, faces, watched=True)
        kept = volume(again) >= (1 - SHRINKING) * volume(small)
        if len(again.faces) <= len(found.faces) and kept:
            found, crossings = again, self_intersections(again)
    moved = transform(found, back)
    return Simplified(Mesh(moved.vertices, moved.faces, vertex_normals(moved)), crossings)


def _unit(mesh: Mesh) -> tuple[Mesh, np.ndarray]:
    """The mesh about the origin with size 1, and the way back."""
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    size = float((high - low).max()) or 1.0
    back = np.diag([size, size, size, 1.0])
    back[:3, 3] = (low + high) / 2
    return Mesh((mesh.vertices - back[:3, 3]) / size, mesh.faces), back


def _collapsed(mesh: Mesh, faces: int, *, watched: bool) -> Mesh:
    vertices = np.asfortranarray(mesh.vertices, dtype=np.float64)
    found = igl.qslim(vertices, np.asfortranarray(mesh.faces, dtype=np.int32), faces, watched)
    return Mesh(np.ascontiguousarray(found[0]), np.ascontiguousarray(found[1], np.int32))
