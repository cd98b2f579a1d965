"""Distances between points and surfaces, and which points a surface encloses.

Closest points and winding numbers come from libigl. Inside is where the generalised winding number
(Jacobson et al. 2013; fast form Barill et al. 2018) is 0.5 or more: right for closed meshes, and
sensible for meshes with holes, flipped or doubled faces. libigl's own signed distance by winding
number scales the distance by the number, which is wrong on such meshes; here the unsigned distance
and the sign are found apart.

The fast form works in single precision. So meshes are moved to the origin and scaled to size 1
first, and the sign of points within 1e-7 of the size from the surface is not to be trusted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import igl
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

from rayfield.core.check import RayfieldError
from rayfield.core.types import Mesh
from rayfield.geometry.mesh import volume

InsideFn = Callable[[Float[Tensor, "N 3"]], Bool[Tensor, " N"]]


class Nearest(NamedTuple):
    """For every point its nearest neighbour among others: how far, and which (its row)."""

    distance: Float[np.ndarray, " N"]
    neighbour: Int[np.ndarray, " N"]


class Closest(NamedTuple):
    """For every point the closest of a surface: how far, where, and on which face."""

    distance: Float[np.ndarray, " N"]
    point: Float[np.ndarray, "N 3"]
    face: Int[np.ndarray, " N"]


def nearest(points: Float[np.ndarray, "N 3"], others: Float[np.ndarray, "M 3"]) -> Nearest:
    """The nearest of `others` (at least one) to every point, by Euclidean distance."""
    if not len(others):
        raise RayfieldError("there are no points to be near to; give at least one")
    distance, index = cKDTree(others).query(points)
    return Nearest(distance, index)


class MeshDistance:
    """Distances to one mesh, prepared once and asked for many points.

    Raises RayfieldError for a mesh without faces, with vertices that are not finite, or with faces
    that refer to none.
    """

    def __init__(self, mesh: Mesh) -> None:
        _check(mesh)
        used = mesh.vertices[mesh.faces.ravel()]
        low, high = used.min(axis=0).astype(float), used.max(axis=0).astype(float)
        self._origin = (low + high) / 2
        self._scale = float((high - low).max()) or 1.0
        self._vertices = self._unit(np.nan_to_num(mesh.vertices))
        self._faces = np.ascontiguousarray(mesh.faces, np.int64)
        self._tree = igl.AABB()
        self._tree.init(self._vertices, self._faces)
        self._outwards = -1.0 if volume(mesh) < 0 else 1.0

    def closest(self, points: Float[np.ndarray, "N 3"]) -> Closest:
        """The closest point of the surface to every point; any triangles will do."""
        queries = self._unit(_finite(points))
        if not len(queries):
            return Closest(np.zeros(0), np.zeros((0, 3)), np.zeros(0, np.int64))
        square, face, point = self._tree.squared_distance(self._vertices, self._faces, queries)
        return Closest(np.sqrt(square) * self._scale, point * self._scale + self._origin, face)

    def unsigned(self, points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, " N"]:
        """Distances to the surface, at least 0."""
        return self.closest(points).distance

    def winding(self, points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, " N"]:
        """How often the surface winds around every point: 1 inside a closed mesh, 0 outside."""
        queries = self._unit(_finite(points))
        if not len(queries):
            return np.zeros(0)
        return igl.fast_winding_number(self._vertices, self._faces, queries)

    def inside(self, points: Float[np.ndarray, "N 3"]) -> Bool[np.ndarray, " N"]:
        """Where the mesh winds around at least half a time; one that is inside out (its volume
        is negative) is taken as turned around."""
        return self._outwards * self.winding(points) >= 0.5

    def signed(self, points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, " N"]:
        """Distances to the surface, negative inside."""
        return np.where(self.inside(points), -1.0, 1.0) * self.unsigned(points)

    def _unit(self, points: np.ndarray) -> np.ndarray:
        """Points in the frame where the mesh has size 1 about the origin."""
        return np.ascontiguousarray((points.astype(np.float64) - self._origin) / self._scale)


def unsigned_distance(mesh: Mesh, points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, " N"]:
    """Distances of points to a mesh or to any triangles; raises as MeshDistance."""
    return MeshDistance(mesh).unsigned(points)


def signed_distance(mesh: Mesh, points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, " N"]:
    """Distances of points to a mesh, negative inside; raises as MeshDistance."""
    return MeshDistance(mesh).signed(points)


def winding_number(mesh: Mesh, points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, " N"]:
    """How often a mesh winds around points; raises as MeshDistance."""
    return MeshDistance(mesh).winding(points)


def inside_of(mesh: Mesh) -> InsideFn:
    """Whether points are inside a mesh, as a function of tensors; raises as MeshDistance."""
    distances = MeshDistance(mesh)

    def inside(points: Float[Tensor, "N 3"]) -> Bool[Tensor, " N"]:
        return torch.from_numpy(distances.inside(points.detach().cpu().numpy())).to(points.device)

    return inside


def _check(mesh: Mesh) -> None:
    """Refuse what would be read out of bounds by compiled code."""
    if not len(mesh.faces):
        raise RayfieldError("a mesh without faces has no distance; give one with faces")
    if mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices):
        raise RayfieldError(f"a face refers beyond the {len(mesh.vertices)} vertices of its mesh")
    if not np.isfinite(mesh.vertices[mesh.faces.ravel()]).all():
        raise RayfieldError("a mesh has vertices that are not finite numbers; drop them first")


def _finite(points: np.ndarray) -> np.ndarray:
    if not np.isfinite(points).all():
        raise RayfieldError("distances are asked of points that are not finite; drop them first")
    return points
