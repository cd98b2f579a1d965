"""Closed triangle meshes as exact solids: their face planes, what they enclose, what is wrong.

A plane is a row (n, c) with |n| = 1: n.x + c is the signed distance of x. A solid keeps the planes
of its faces without repetition, and both half-spaces of each: half-space i < m is n.x + c < 0 of
plane i, half-space m + i the other side.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from rayfield.core.types import Mesh
from rayfield.geometry.mesh import edge_uses

SAME = 1e-10  # planes whose coefficients differ by less are one
ROUNDING = 1e-12  # distances below are zero, in units of a solid about as large as 1
CHUNK = 2**17  # pairs of a point and an edge or face held at a time: what a cache holds
GRAZING = 1e-9  # a line that passes an edge nearer than that decides nothing
RAY = np.array([0.5135, 0.6221, 0.5911])  # no natural edge lies along it


class Polyhedron(NamedTuple):
    """A closed surface: corners of its faces, their distinct planes, the plane of each face."""

    corners: Float[np.ndarray, "F 3 3"]
    planes: Float[np.ndarray, "M 4"]
    plane_of: Int[np.ndarray, " F"]

    @property
    def halfspaces(self) -> Float[np.ndarray, "H 4"]:
        """Both half-spaces of each plane, in the order that the module tells."""
        return np.concatenate([self.planes, -self.planes])


def polyhedron(mesh: Mesh) -> Polyhedron:
    """The solid of a closed mesh about as large as 1, in double precision; see `fault`."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    rows = np.concatenate([_normals(corners), np.zeros((len(corners), 1))], axis=1)
    rows[:, 3] = -np.einsum("fk,fk->f", rows[:, :3], corners.mean(axis=1))
    planes: list[np.ndarray] = []
    plane_of = np.zeros(len(rows), np.int64)
    for face, row in enumerate(rows):
        known = np.array(planes).reshape(-1, 4)
        gaps = np.minimum(abs(known - row).max(axis=1), abs(known + row).max(axis=1))
        if len(gaps) and gaps.min() < SAME:
            plane_of[face] = gaps.argmin()
        else:
            plane_of[face] = len(planes)
            planes.append(row)
    return Polyhedron(corners, np.array(planes), plane_of)


def winding(solid: Polyhedron, points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, " N"]:
    """How often the surface winds around points off it: the sum of the faces' solid angles over
    4 pi (van Oosterom & Strackee 1983)."""
    found = np.zeros(len(points))
    step = max(1, CHUNK // max(1, len(solid.corners)))
    for first in range(0, len(points), step):
        seen = solid.corners[None] - points[first : first + step, None, None]
        a, b, c = (seen[:, :, k] for k in range(3))
        la, lb, lc = (np.sqrt((x * x).sum(axis=2)) for x in (a, b, c))
        above = (a * np.cross(b, c)).sum(axis=2)
        below = la * lb * lc + (a * b).sum(2) * lc + (b * c).sum(2) * la + (c * a).sum(2) * lb
        found[first : first + step] = np.arctan2(above, below).sum(axis=1) / (2 * math.pi)
    return found


def inside(solid: Polyhedron, points: Float[np.ndarray, "N 3"]) -> Bool[np.ndarray, " N"]:
    """Whether points off the surface are enclosed: a ray from them passes an odd number of faces.

    The line has a fixed direction; where it comes close to an edge, `winding` decides.
    """
    edges = np.roll(solid.corners, -1, axis=1) - solid.corners
    across = np.cross(RAY, edges)  # the line passes a face if it is on one side of all its edges
    start = (across * solid.corners).sum(axis=2)
    sides = [(across[:, k].T.copy(), start[:, k]) for k in range(3)]
    slope = solid.planes[:, :3] @ RAY
    found, unsure = np.zeros(len(points), bool), np.zeros(len(points), bool)
    step = max(1, CHUNK // max(1, 3 * len(edges)))
    for first in range(0, len(points), step):
        part = points[first : first + step]
        a, b, c = (part @ slopes - at for slopes, at in sides)
        low, high = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
        ahead = (part @ solid.planes[:, :3].T + solid.planes[:, 3]) * slope < 0
        passed = ((low > 0) | (high < 0)) & ahead[:, solid.plane_of]
        found[first : first + step] = passed.sum(axis=1) % 2 == 1
        least = np.minimum(np.minimum(abs(a), abs(b)), abs(c))
        close = (least < GRAZING) & (low < GRAZING) & (high > -GRAZING)
        unsure[first : first + step] = close.any(axis=1)
    turns = np.rint(winding(solid, points[unsure])).astype(np.int64)
    found[unsure] = turns % 2 == 1
    return found


def polygon_distance(
    polygons: Float[np.ndarray, "F K 3"], point: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, " F"]:
    """Distance from a point to convex planar polygons; repeated corners are allowed."""
    a = polygons - point
    edge = np.roll(a, -1, axis=1) - a
    length = np.maximum((edge * edge).sum(axis=2), 1e-300)
    along = np.clip(-(a * edge).sum(axis=2) / length, 0, 1)
    to_edge = np.square(a + along[..., None] * edge).sum(axis=2).min(axis=1)
    normal = np.cross(a, np.roll(a, -1, axis=1)).sum(axis=1)
    size = np.linalg.norm(normal, axis=1)
    normal /= np.maximum(size, 1e-300)[:, None]
    height = (normal * a[:, 0]).sum(axis=1)
    foot = (normal * height[:, None])[:, None] - a
    above = (np.cross(edge, foot) * normal[:, None]).sum(axis=2).min(axis=1) >= -1e-15
    nearest = np.where(above & (size > 1e-14), np.minimum(height**2, to_edge), to_edge)
    return np.sqrt(nearest)


def fault(mesh: Mesh) -> str:
    """Why a mesh about as large as 1 bounds no solid; empty if it does.

    It must be closed and oriented, without flat or crossing faces, and every face must have the
    inside on one side and the outside on the other.
    """
    count = len(mesh.faces)
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    if not count or not (_area(corners) > ROUNDING).all():
        flat = int((_area(corners) <= ROUNDING).sum())
        return f"{flat} of its {count} faces have no area" if count else "it has no faces"
    _, uses = edge_uses(mesh)
    if (uses % 2).any():
        return f"it is open: {int((uses % 2).sum())} edges belong to an odd number of faces"
    directed = mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    there, back = (np.unique(d, axis=0, return_counts=True) for d in (directed, directed[:, ::-1]))
    if not (np.array_equal(there[0], back[0]) and np.array_equal(there[1], back[1])):
        return "its faces are not oriented alike"
    crossing = _crossings(mesh, corners)
    if crossing:
        return f"it crosses itself: {crossing} edges pass through faces"
    solid = polyhedron(mesh)
    off = 1e-7 * np.sqrt(_area(corners))[:, None] * _normals(corners)
    middle = corners.mean(axis=1)
    same = inside(solid, middle + off) == inside(solid, middle - off)
    return f"{int(same.sum())} faces have the same side on both sides" if same.any() else ""


def _normals(corners: Float[np.ndarray, "F 3 3"]) -> Float[np.ndarray, "F 3"]:
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-300)


def _area(corners: Float[np.ndarray, "F 3 3"]) -> Float[np.ndarray, " F"]:
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return np.linalg.norm(cross, axis=1) / 2


def _crossings(mesh: Mesh, corners: Float[np.ndarray, "F 3 3"]) -> int:
    """How many pairs of an edge and a face cross away from the edge's ends."""
    edges, _ = edge_uses(mesh)
    normal, found = _normals(corners), 0
    step = max(1, CHUNK // len(corners))
    for first in range(0, len(edges), step):
        start, end = (mesh.vertices[edges[first : first + step, k]] for k in range(2))
        below, above = (
            np.einsum("efk,fk->ef", x[:, None] - corners[None, :, 0], normal) for x in (start, end)
        )
        pair = np.nonzero((below * above < 0) & (abs(below) > 1e-9) & (abs(above) > 1e-9))
        share = (below[pair] / (below[pair] - above[pair]))[:, None]
        at = start[pair[0]] * (1 - share) + end[pair[0]] * share
        sides = [
            np.einsum(
                "pk,pk->p",
                np.cross(
                    corners[pair[1], (k + 1) % 3] - corners[pair[1], k], at - corners[pair[1], k]
                ),
                normal[pair[1]],
            )
            for k in range(3)
        ]
        found += int((np.min(sides, axis=0) > ROUNDING).sum())
    return found
