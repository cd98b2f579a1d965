"""Meshes and points that a method keeps: written as they are, or what a crop leaves of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from rayfield.app.meshes.meshing import Crop
from rayfield.app.meshes.skin import ColorOf
from rayfield.app.meshes.texture import INSTALL
from rayfield.core.check import RayfieldError
from rayfield.core.types import Mesh, PointCloud
from rayfield.geometry.distance import MeshDistance
from rayfield.geometry.mesh import report, transform


def cropped(mesh: Mesh, crop: Crop, world_from_scene: Float[np.ndarray, "4 4"]) -> Mesh:
    """What lies of a closed mesh of the scene in a box of the world, closed where it is cut;
    without normals and colours.

    Raises RayfieldError if nothing does, if the mesh does not enclose a solid, and where
    manifold3d, of the extra [mesh], is not installed.
    """
    manifold = _manifold()
    world = transform(Mesh(mesh.vertices, mesh.faces), world_from_scene)
    low, high = np.array(crop.low), np.array(crop.high)
    middle, size = (low + high) / 2, float((high - low).max())
    places = np.ascontiguousarray((world.vertices - middle) / size)
    solid = manifold.Manifold(
        manifold.Mesh64(vert_properties=places, tri_verts=world.faces.astype(np.uint64))
    )
    if solid.status() != manifold.Error.NoError:
        edges = report(mesh)["boundary_edges"]
        raise RayfieldError(f"a mesh that does not enclose a solid ({edges} open edges) is not cut")
    box = manifold.Manifold.cube(((high - low) / size).tolist(), True)
    left = (solid ^ box).to_mesh64()
    if not len(left.tri_verts):
        raise RayfieldError("--crop leaves nothing of the mesh; give a box that it passes through")
    vertices = np.array(left.vert_properties)[:, :3] * size + middle
    found = Mesh(vertices, np.array(left.tri_verts).astype(np.int32))
    return transform(found, np.linalg.inv(world_from_scene))


def colors_of(mesh: Mesh) -> ColorOf | None:
    """The colours of a mesh at any points of it, or of one made from it; None if it has none."""
    if mesh.colors is None:
        return None
    distance, colors = MeshDistance(mesh), mesh.colors.astype(np.float64)

    def near(
        points: Float[np.ndarray, "N 3"], normals: Float[np.ndarray, "N 3"]
    ) -> UInt8[np.ndarray, "N 3"]:
        found = distance.closest(points)
        corners = mesh.faces[found.face]
        weights = barycentric(mesh.vertices[corners], found.point)
        return np.einsum("nc,nck->nk", weights, colors[corners]).round().clip(0, 255).astype("u1")

    return near


def barycentric(
    triangles: Float[np.ndarray, "N 3 3"], points: Float[np.ndarray, "N 3"]
) -> Float[np.ndarray, "N 3"]:
    """Weights of the corners of triangles for points of theirs; equal ones without area."""
    a, b, c = (triangles[:, k] for k in range(3))
    normal = np.cross(b - a, c - a)
    square = (normal**2).sum(axis=1, keepdims=True)
    parts = [
        (np.cross(q - p, points - p) * normal).sum(axis=1) for p, q in ((b, c), (c, a), (a, b))
    ]
    weights = np.full((len(points), 3), 1 / 3)
    np.divide(np.stack(parts, axis=1), square, out=weights, where=square > 0)
    return weights


def cropped_points(
    cloud: PointCloud, colors: UInt8[np.ndarray, "N 3"], crop: Crop
) -> tuple[PointCloud, UInt8[np.ndarray, "M 3"]]:
    """The points within a box, and their colours. Raises RayfieldError if there are none."""
    inside = ((cloud.points >= crop.low) & (cloud.points <= crop.high)).all(axis=1)
    if not inside.any():
        raise RayfieldError("--crop leaves no points; give a box that some lie in")
    normals = None if cloud.normals is None else cloud.normals[inside]
    return PointCloud(cloud.points[inside], normals), colors[inside]


def _manifold() -> Any:
    try:
        import manifold3d
    except ImportError:
        raise RayfieldError(
            f"cutting a mesh that is kept needs manifold3d, which is not here; {INSTALL}"
        ) from None
    return manifold3d
