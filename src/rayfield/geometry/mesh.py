"""Pure functions on triangle meshes: measures, components, similarities."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from rayfield.core.check import RayfieldError
from rayfield.core.types import Mesh
from rayfield.geometry.intersections import self_intersections
from rayfield.geometry.places import places


def face_normals(mesh: Mesh) -> Float[np.ndarray, "F 3"]:
    """Outward face normals as long as twice the face's area (0 for degenerate faces)."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return np.cross(b - a, c - a)


def vertex_normals(mesh: Mesh) -> Float[np.ndarray, "V 3"]:
    """Unit vertex normals: the area-weighted mean of the faces around; 0 where there is none."""
    per_face = np.repeat(face_normals(mesh), 3, axis=0)
    corner, count = mesh.faces.ravel(), len(mesh.vertices)
    total = np.stack([np.bincount(corner, per_face[:, k], count) for k in range(3)], axis=1)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.divide(total, length, out=np.zeros_like(total), where=length > 0)


def area(mesh: Mesh) -> float:
    """Surface area."""
    return float(np.linalg.norm(face_normals(mesh), axis=1).sum() / 2)


def volume(mesh: Mesh) -> float:
    """Enclosed volume of a closed mesh, positive when its faces look outwards."""
    if not len(mesh.faces):
        return 0.0
    # Measured from the middle of the mesh, so that far-off coordinates do not cancel.
    a, b, c = (mesh.vertices[mesh.faces[:, k]] - mesh.vertices.mean(axis=0) for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def edge_uses(mesh: Mesh) -> tuple[Int[np.ndarray, "E 2"], Int[np.ndarray, " E"]]:
    """Every edge (lower vertex first) and how many faces use it: 1 at a border, 2 inside."""
    n = max(len(mesh.vertices), 1)
    low, high = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64)).T
    key, uses = np.unique(low * n + high, return_counts=True)  # one number sorts faster than two
    return np.stack([key // n, key % n], axis=1), uses


def euler_number(mesh: Mesh) -> int:
    """Vertices - edges + faces, of the vertices in use: 2 (components - genus) when closed."""
    return len(np.unique(mesh.faces)) - len(edge_uses(mesh)[0]) + len(mesh.faces)


def components(mesh: Mesh) -> Int[np.ndarray, " F"]:
    """The connected component (0, 1, ...) of every face; faces sharing a vertex are connected."""
    n = len(mesh.vertices)
    a, b = mesh.faces[:, [0, 1]].ravel(), mesh.faces[:, [1, 2]].ravel()
    graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(n, n))
    _, of_vertex = connected_components(graph, directed=False)
    return np.unique(of_vertex[mesh.faces[:, 0]], return_inverse=True)[1]


def select_faces(mesh: Mesh, keep: Bool[np.ndarray, " F"]) -> Mesh:
    """The marked faces and the vertices they use."""
    faces = mesh.faces[keep]
    used, index = np.unique(faces, return_inverse=True)
    return Mesh(
        vertices=mesh.vertices[used],
        faces=index.reshape(-1, 3).astype(mesh.faces.dtype),
        normals=None if mesh.normals is None else mesh.normals[used],
        colors=None if mesh.colors is None else mesh.colors[used],
    )


def weld(mesh: Mesh) -> Mesh:
    """The mesh with vertices at exactly the same place joined into the first of them.

    The order of vertices stays. Normals of what is joined are averaged, colours those of the first.
    """
    first, index = places(mesh.vertices)
    if len(first) == len(mesh.vertices):
        return mesh
    normals = None
    if mesh.normals is not None:
        total = np.stack([np.bincount(index, mesh.normals[:, k]) for k in range(3)], axis=1)
        length = np.linalg.norm(total, axis=1, keepdims=True)
        normals = np.divide(total, length, out=np.zeros_like(total), where=length > 0)
    return Mesh(
        vertices=mesh.vertices[first],
        faces=index[mesh.faces].astype(mesh.faces.dtype),
        normals=normals,
        colors=None if mesh.colors is None else mesh.colors[first],
    )


def keep_largest(mesh: Mesh, *, count: int | None = None, fraction: float = 0.0) -> Mesh:
    """The components with most area: at most `count` (all if None), and each of them at least
    `fraction` (0 to 1) of the area of the largest, which always stays.
    """
    if not len(mesh.faces):
        return mesh
    of_face = components(mesh)
    areas = np.bincount(of_face, np.linalg.norm(face_normals(mesh), axis=1))
    order = np.argsort(-areas, kind="stable")[:count]
    kept = order[areas[order] >= fraction * areas[order[0]]]
    return select_faces(mesh, np.isin(of_face, kept))


def transform(mesh: Mesh, similarity: Float[np.ndarray, "4 4"]) -> Mesh:
    """The mesh moved by a 4x4 similarity (rotation or reflection, scale, translation).

    Faces stay counter-clockwise from outside, also in a mirror. `RayfieldError` when the matrix
    is no similarity.
    """
    linear, shift = similarity[:3, :3], similarity[:3, 3]
    scale = np.sqrt((linear**2).sum() / 3)
    skew = np.abs(linear @ linear.T - scale**2 * np.eye(3)).max()
    homogeneous = np.isfinite(shift).all() and np.array_equal(similarity[3], [0, 0, 0, 1])
    if not (homogeneous and scale > 0 and skew <= 1e-6 * scale**2):
        raise RayfieldError(f"a mesh can only be moved by a similarity, got {similarity.tolist()}")
    mirrored = np.linalg.det(linear) < 0
    return Mesh(
        vertices=mesh.vertices @ linear.T + shift,
        faces=mesh.faces[:, ::-1].copy() if mirrored else mesh.faces,
        normals=None if mesh.normals is None else mesh.normals @ linear.T / scale,
        colors=mesh.colors,
    )


def report(mesh: Mesh, *, crossings: bool = False) -> dict[str, int | float | list[float]]:
    """What one asks of a mesh before using it, ready for JSON.

    `boundary_edges` 0 means closed, `nonmanifold_edges` counts edges of more than two faces;
    `box_min` and `box_max` are empty for a mesh without vertices. `self_intersections`, the pairs
    of faces that cross, is there if `crossings` are asked for: they take longer than all else.
    """
    extra = {"self_intersections": self_intersections(mesh)} if crossings else {}
    _, uses = edge_uses(mesh)
    some = len(mesh.vertices) > 0
    return {
        "vertices": len(mesh.vertices),
        "faces": len(mesh.faces),
        "boundary_edges": int((uses == 1).sum()),
        "nonmanifold_edges": int((uses > 2).sum()),
        "euler_number": euler_number(mesh),
        "components": len(np.unique(components(mesh))),
        "box_min": mesh.vertices.min(axis=0).tolist() if some else [],
        "box_max": mesh.vertices.max(axis=0).tolist() if some else [],
        "area": area(mesh),
        "volume": volume(mesh),
        **extra,
    }
