"""A mesh with a picture on it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from rayfield.core.types import Mesh
from rayfield.geometry.mesh import transform


class Textured(NamedTuple):
    """A mesh, where on a picture the corners of its faces lie, and that picture.

    `corners` are texture coordinates in [0, 1], origin at the lower left (as in OBJ); `picture`
    holds the bytes of a PNG file. The vertices stay whole: seams are in the corners alone.
    """

    mesh: Mesh
    corners: Float[np.ndarray, "F 3 2"]
    picture: bytes


class Split(NamedTuple):
    """A textured mesh with a vertex for every pair of place and texture coordinates, as formats
    want it that know no others."""

    mesh: Mesh
    coordinates: Float[np.ndarray, "V 2"]


def moved(textured: Textured, similarity: Float[np.ndarray, "4 4"]) -> Textured:
    """The textured mesh moved by a similarity; faces stay counter-clockwise in a mirror too."""
    mirrored = np.linalg.det(similarity[:3, :3]) < 0
    corners = textured.corners[:, ::-1] if mirrored else textured.corners
    return Textured(transform(textured.mesh, similarity), corners, textured.picture)


def coordinates_of(
    corners: Float[np.ndarray, "F 3 2"],
) -> tuple[Float[np.ndarray, "T 2"], Int[np.ndarray, "F 3"]]:
    """The distinct texture coordinates, and which of them every corner has."""
    flat = np.ascontiguousarray(corners.reshape(-1, 2), np.float32)
    _, first, index = np.unique(flat.view(np.int64).ravel(), return_index=True, return_inverse=True)
    return flat[first].astype(np.float64), index.reshape(-1, 3)


def split_at_seams(textured: Textured) -> Split:
    """The mesh with its vertices doubled along the seams of the texture."""
    mesh = textured.mesh
    places, place = coordinates_of(textured.corners)
    key = mesh.faces.astype(np.int64).ravel() * len(places) + place.ravel()
    pairs, index = np.unique(key, return_inverse=True)
    vertex, at = np.divmod(pairs, len(places))
    faces = index.reshape(-1, 3).astype(np.int32)
    normals = None if mesh.normals is None else mesh.normals[vertex]
    return Split(Mesh(mesh.vertices[vertex], faces, normals), places[at])
