"""Spheres of triangles: a start for shapes that are to be deformed."""

from __future__ import annotations

import numpy as np

from rayfield.core.check import UsageError
from rayfield.core.types import Mesh

MOST = 7  # subdivisions: 163,842 vertices


def icosphere(subdivisions: int, *, radius: float = 1.0) -> Mesh:
    """An icosahedron whose faces were divided into four `subdivisions` times, on the sphere.

    10 * 4^n + 2 vertices and 20 * 4^n faces: 162, 642, 2562, ... from n = 2. Raises UsageError for
    more than MOST subdivisions.
    """
    if not 0 <= subdivisions <= MOST:
        raise UsageError(f"subdivisions={subdivisions}: give a number from 0 to {MOST}")
    golden = (1 + 5**0.5) / 2
    short, long = (x.ravel() for x in np.meshgrid([-1.0, 1.0], [-golden, golden], indexing="ij"))
    zero = np.zeros(4)
    vertices = np.concatenate(
        [
            np.stack(x, axis=1)
            for x in ((zero, short, long), (short, long, zero), (long, zero, short))
        ]
    )
    vertices /= np.linalg.norm(vertices, axis=1, keepdims=True)
    faces = _hull(vertices)
    for _ in range(subdivisions):
        vertices, faces = _divided(vertices, faces)
    return Mesh(radius * vertices, faces.astype(np.int32))


def _hull(vertices: np.ndarray) -> np.ndarray:
    """The 20 faces of an icosahedron: triples of vertices at the least distance, outwards."""
    apart = np.linalg.norm(vertices[:, None] - vertices[None], axis=2)
    near = np.isclose(apart, apart[apart > 0.1].min())
    a, b, c = np.nonzero(near[:, :, None] & near[None] & near[:, None])
    keep = (a < b) & (b < c)
    faces = np.stack([a[keep], b[keep], c[keep]], axis=1)
    turned = np.linalg.det(vertices[faces]) < 0
    faces[turned] = faces[turned][:, ::-1]
    return faces


def _divided(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every face in four, the middles of its edges on the sphere."""
    edges = np.sort(np.concatenate([faces[:, (0, 1)], faces[:, (1, 2)], faces[:, (2, 0)]]), axis=1)
    unique, index = np.unique(edges, axis=0, return_inverse=True)
    middle = vertices[unique].sum(axis=1)
    middle /= np.linalg.norm(middle, axis=1, keepdims=True)
    ab, bc, ca = (index.ravel() + len(vertices)).reshape(3, -1)
    a, b, c = faces.T
    parts = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
    divided = np.concatenate([np.stack(part, axis=1) for part in parts])
    return np.concatenate([vertices, middle]), divided
