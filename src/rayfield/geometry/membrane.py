"""Parts of a mesh replaced by the membrane that their rims span.

A vertex that moves lies at the mean of its neighbours: the minimiser of the membrane energy with
uniform weights (Botsch, Kobbelt, Pauly, Alliez, Levy 2010, Polygon Mesh Processing, Sec. 4.3 and
8.1). A rim in a plane is spanned flat.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool
from scipy.sparse import csc_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import cg

from rayfield.core.types import Mesh
from rayfield.geometry.mesh import vertex_normals
from rayfield.math.laplacian import adjacency, uniform_laplacian

TOLERANCE = 1e-10  # of the residual, relative
ROUNDS = 1000  # of conjugate gradients, about as many as edges across: fog has far wider patches

Marks = Bool[np.ndarray, " V"]


def inner(mesh: Mesh, marked: Marks, *, rings: int) -> Marks:
    """The marked vertices that are more than `rings` edges from every other vertex."""
    links, others = adjacency(mesh.faces, len(mesh.vertices)), ~marked
    for _ in range(rings):
        others = others | (links @ others.astype(np.float64) > 0)
    return ~others


def patches(mesh: Mesh, marked: Marks, *, share: float) -> Marks:
    """The marked vertices in connected patches that have a rim and at least a `share` (0 to 1) of
    all vertices."""
    links = adjacency(mesh.faces, len(mesh.vertices))
    index = marked.nonzero()[0]
    inside = csc_array(links[index][:, index])
    count, of_vertex = connected_components(inside, directed=False)
    size = np.bincount(of_vertex, minlength=count)
    edges = np.asarray(links.sum(axis=1)).ravel()[index] - np.asarray(inside.sum(axis=1)).ravel()
    rim = np.bincount(of_vertex, edges, minlength=count)
    found = np.zeros(len(marked), bool)
    found[index] = ((size >= share * len(marked)) & (rim > 0))[of_vertex]
    return found


def spanned(mesh: Mesh, free: Marks) -> Mesh:
    """The mesh with its `free` vertices where the membrane over the others has them; each patch of
    them must touch others. Normals of what moves are those of its faces. Patches of many hundred
    edges across, as fog has, end near that place."""
    if not free.any():
        return mesh
    matrix = uniform_laplacian(mesh.faces, len(mesh.vertices))
    within, across = matrix[free][:, free], matrix[free][:, ~free]
    pull = -(across @ mesh.vertices[~free].astype(np.float64))
    vertices = mesh.vertices.copy()
    for axis, start in enumerate(mesh.vertices[free].T):
        # conjugate gradients: factors of patches of 50,000 vertices take minutes
        found, _ = cg(within, pull[:, axis], x0=start, rtol=TOLERANCE, maxiter=ROUNDS)
        vertices[free, axis] = found
    moved = replace(mesh, vertices=vertices)
    if mesh.normals is None:
        return moved
    return replace(moved, normals=np.where(free[:, None], vertex_normals(moved), mesh.normals))
