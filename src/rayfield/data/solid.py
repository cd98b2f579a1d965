"""A closed mesh of few flat faces, from a file: what can be turned into a network exactly.

It is moved into the cube [-1, 1]^3 of the scene: the middle of its box to the origin, its longest
side to 2 HALF_SIDE, in float64.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import igl
import numpy as np
from jaxtyping import Float

from rayfield.core.check import DataError
from rayfield.core.types import Mesh
from rayfield.data.points import HALF_SIDE
from rayfield.geometry.mesh import transform
from rayfield.geometry.meshio import read_mesh
from rayfield.geometry.polyhedron import Polyhedron, fault, polyhedron

MOST_FACES = 1000
FEWEST_FACES = 4


class SolidTraits(NamedTuple):
    """What is told of a solid: faces, and how many distinct planes they lie in."""

    faces: int
    planes: int


@dataclass(frozen=True)
class Solid:
    """A closed mesh in the scene's cube, the same as a polyhedron, and the way back."""

    path: Path
    mesh: Mesh
    polyhedron: Polyhedron
    world_from_scene: Float[np.ndarray, "4 4"]
    notes: tuple[str, ...]
    fingerprint: str

    @property
    def traits(self) -> SolidTraits:
        """What a run keeps of it."""
        return SolidTraits(len(self.mesh.faces), len(self.polyhedron.planes))


def read_solid(path: Path, faces: int = 0, *, drop_invalid: bool = False) -> Solid:
    """Read a closed mesh, first simplified to that many `faces` unless 0.

    Corners that coincide are joined; `drop_invalid` as in `meshio.load_mesh`. Raises DataError for
    a mesh that bounds no solid or has more than MOST_FACES faces.
    """
    return prepared(path, read_mesh(path, drop_invalid=drop_invalid), faces)


def prepared(path: Path, mesh: Mesh, faces: int = 0) -> Solid:
    """The same of a mesh that came from the file `path`."""
    mesh = _joined(mesh)
    digest = hashlib.sha256(np.ascontiguousarray(mesh.vertices, np.float64).tobytes())
    digest.update(np.ascontiguousarray(mesh.faces, np.int64).tobytes())
    notes = []
    mesh, world = _fitted(path, mesh)
    if faces and faces < len(mesh.faces):
        notes.append(f"simplified from {len(mesh.faces):,} faces: the network is of what is left")
        mesh = simplified(mesh, faces)
    if len(mesh.faces) > MOST_FACES:
        what = f"has {len(mesh.faces):,} faces; up to {MOST_FACES:,} become a network"
        raise DataError(path, what, "simplify it: --set faces=200")
    if why := fault(mesh):
        fix = "another number of --set faces may do" if faces else "repair it"
        raise DataError(path, f"bounds no solid: {why}", fix)
    return Solid(path, mesh, polyhedron(mesh), world, tuple(notes), digest.hexdigest())


def simplified(mesh: Mesh, faces: int) -> Mesh:
    """A closed mesh with about so many faces (edge collapses by quadric error, Garland & Heckbert
    1997, from libigl)."""
    vertices = np.ascontiguousarray(mesh.vertices, np.float64)
    found = igl.qslim(
        vertices, np.ascontiguousarray(mesh.faces, np.int64), max(faces, FEWEST_FACES)
    )
    return Mesh(np.ascontiguousarray(found[0]), np.ascontiguousarray(found[1]).astype(np.int32))


def _joined(mesh: Mesh) -> Mesh:
    """The mesh without colours, corners at the same place made one, unused ones left out."""
    used = mesh.vertices[mesh.faces.reshape(-1)].reshape(-1, 3).astype(np.float64)
    vertices, index = np.unique(used, axis=0, return_inverse=True)
    return Mesh(vertices, index.reshape(-1, 3).astype(np.int32))


def _fitted(path: Path, mesh: Mesh) -> tuple[Mesh, Float[np.ndarray, "4 4"]]:
    if not len(mesh.faces):
        raise DataError(path, "has no faces", "give a closed mesh")
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    side = float((high - low).max()) / (2 * HALF_SIDE)
    if not 0 < side < np.inf:
        raise DataError(path, "has no extent", "give a closed mesh")
    world = np.diag([side, side, side, 1.0])
    world[:3, 3] = (low + high) / 2
    return transform(mesh, np.linalg.inv(world)), world
