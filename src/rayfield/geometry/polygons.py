"""Faces of any number of corners, as files have them, and triangles of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

CLIPPING = 2 * 10**7  # steps spent on polygons that are not convex, all together


class Polygons(NamedTuple):
    """How many corners each face has, and all corners one after another."""

    sizes: Int[np.ndarray, " F"]
    corners: Int[np.ndarray, " C"]


class RawMesh(NamedTuple):
    """What a file says, before anything is made of it."""

    vertices: Float[np.ndarray, "V 3"]
    polygons: Polygons
    normals: Float[np.ndarray, "V 3"] | None = None
    colors: UInt8[np.ndarray, "V 3"] | None = None
    notes: tuple[str, ...] = ()


NO_POLYGONS = Polygons(np.zeros(0, np.int64), np.zeros(0, np.int64))


def color_bytes(colors: Float[np.ndarray, "V 3"]) -> UInt8[np.ndarray, "V 3"]:
    """Colours as bytes, whether they were written from 0 to 1 or from 0 to 255."""
    colors = np.nan_to_num(colors)
    scale = 1 if colors.max(initial=0) > 1 else 255
    return (colors * scale).clip(0, 255).round().astype(np.uint8)


def triangulate(vertices: Float[np.ndarray, "V 3"], polygons: Polygons) -> Int[np.ndarray, "T 3"]:
    """Triangles that cover the polygons, in their order and orientation.

    Corners must refer to vertices. Convex polygons become fans and quadrilaterals are cut along
    the diagonal inside; others lose one ear after another. What has fewer than three corners
    gives nothing.
    """
    sizes = polygons.sizes
    if (sizes == 3).all():
        return polygons.corners.reshape(-1, 3)
    starts = np.cumsum(sizes) - sizes
    pieces = (sizes - 2).clip(0)
    first = np.cumsum(pieces) - pieces
    found = np.empty((int(pieces.sum()), 3), np.int64)
    budget = CLIPPING
    for size in np.unique(sizes[sizes >= 3]).tolist():
        rows = np.flatnonzero(sizes == size)
        corners = polygons.corners[starts[rows, None] + np.arange(size)]
        cut = _quads(vertices, corners) if size == 4 else _fans(corners)
        if size > 4:
            for row in np.flatnonzero(~_convex(vertices, corners)):
                budget -= size * size
                if budget > 0:
                    cut[row] = corners[row][_ears(vertices[corners[row]])]
        found[first[rows, None] + np.arange(size - 2)] = cut
    return found


def _fans(corners: np.ndarray) -> np.ndarray:
    """Triangles [P, N - 2, 3] about the first corner of polygons [P, N]."""
    hub = np.broadcast_to(corners[:, :1], (len(corners), corners.shape[1] - 2))
    return np.stack([hub, corners[:, 1:-1], corners[:, 2:]], axis=-1)


def _quads(vertices: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Fans, but about the second corner where the halves of the first fan would face apart."""
    a, b, c, d = (vertices[corners[:, k]] for k in range(4))
    apart = (np.cross(b - a, c - a) * np.cross(c - a, d - a)).sum(axis=1) < 0
    turned = np.where(apart[:, None], np.roll(corners, -1, axis=1), corners)
    return _fans(turned)


def _convex(vertices: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Which polygons [P, N] turn the same way at every corner."""
    points = vertices[corners] - vertices[corners[:, :1]]
    ahead = np.roll(points, -1, axis=1)
    normal = np.cross(points, ahead).sum(axis=1)  # Newell's
    turns = np.cross(ahead - points, np.roll(ahead, -1, axis=1) - ahead)
    bends = (turns * normal[:, None]).sum(axis=-1)
    return (bends >= -1e-12 * np.abs(bends).max(axis=1, keepdims=True, initial=0)).all(axis=1)


def _ears(points: np.ndarray) -> np.ndarray:
    """Triangles [N - 2, 3] of one simple polygon [N, 3] by clipping ears (Meisters 1975)."""
    flat = _flattened(points)
    left = list(range(len(flat)))
    found = []
    while len(left) > 3:
        at = next((i for i in range(len(left)) if _is_ear(flat, left, i)), 0)
        found.append((left[at - 1], left[at], left[(at + 1) % len(left)]))
        del left[at]
    return np.array([*found, left])


def _flattened(points: np.ndarray) -> np.ndarray:
    """Coordinates [N, 2] in the polygon's plane, in which it runs counter-clockwise."""
    points = points - points.mean(axis=0)
    normal = np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0)
    axis = int(np.abs(normal).argmax())
    flat = points[:, [(axis + 1) % 3, (axis + 2) % 3]]
    return flat if normal[axis] > 0 else flat * np.array([-1, 1])


def _is_ear(flat: np.ndarray, left: list[int], at: int) -> bool:
    """Whether the corner is convex and no other corner lies in its triangle."""
    names = (left[at - 1], left[at], left[(at + 1) % len(left)])
    a, b, c = (flat[name] for name in names)
    if _turn(a, b, c[None])[0] <= 0:
        return False
    others = flat[[name for name in left if name not in names]]
    within = (_turn(a, b, others) >= 0) & (_turn(b, c, others) >= 0) & (_turn(c, a, others) >= 0)
    return not bool(within.any())


def _turn(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Twice the signed areas of the triangles of a [2], b [2] and each of c [N, 2]."""
    return (b[0] - a[0]) * (c[:, 1] - a[1]) - (b[1] - a[1]) * (c[:, 0] - a[0])
