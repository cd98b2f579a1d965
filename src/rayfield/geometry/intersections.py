"""Faces of a mesh that cross each other.

Pairs come from grids of boxes, one grid for each octave of triangle sizes, so that neither large
nor small triangles crowd a cell. Two triangles cross when an edge of one passes through the plane
of the other strictly, and meets it within its sides. Touching, and overlapping in one plane, are
not crossing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from jaxtyping import Bool, Float, Int

from rayfield.core.types import Mesh
from rayfield.geometry.places import places

PAIRS = 2**19  # looked at together
FINEST = 2.0**-19  # of the mesh: smaller triangles share a grid
FLAT = 1e-12  # of the mesh's size: what is no distance from a plane
_Triangles = tuple[np.ndarray, np.ndarray]  # corners (pair, corner, axis), unit normals
CORNERS = np.array([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)])


def self_intersections(mesh: Mesh) -> int:
    """How many pairs of faces cross. Vertices at the same place count as one."""
    if not len(mesh.faces):
        return 0
    faces = places(mesh.vertices).of_point[mesh.faces]
    low = mesh.vertices.min(axis=0)
    size = float(np.ptp(mesh.vertices, axis=0).max()) or 1.0
    corners = ((mesh.vertices - low) / size)[mesh.faces]
    normals = _normals(corners)
    found = 0
    for a, b in _pairs(corners):
        shared = np.zeros(len(a), np.int8)
        for i, j in product(range(3), repeat=2):
            shared += faces[a, i] == faces[b, j]
        a, b = a[shared < 2], b[shared < 2]  # neighbours along an edge can but lie in one plane
        found += int(_crossing((corners[a], normals[a]), (corners[b], normals[b])).sum())
    return found


def crossing(
    a: Float[np.ndarray, "P 3 3"], b: Float[np.ndarray, "P 3 3"]
) -> Bool[np.ndarray, " P"]:
    """Whether triangles (pair, corner, axis), of coordinates about 1, cross each other."""
    return _crossing((a, _normals(a)), (b, _normals(b)))


def _crossing(first: _Triangles, second: _Triangles) -> np.ndarray:
    result = np.zeros(len(first[0]), dtype=bool)
    height = _heights(first, second)
    may = np.flatnonzero(~_one_side(height))
    height, first, second = height[may], _taken(first, may), _taken(second, may)
    other = _heights(second, first)
    rest = np.flatnonzero((_both_sides(height) | _both_sides(other)) & ~_one_side(other))
    may, first, second = may[rest], _taken(first, rest), _taken(second, rest)
    result[may] = _pierces(first[0], second, height[rest])
    result[may] |= _pierces(second[0], first, other[rest])
    return result


def _taken(triangles: _Triangles, rows: np.ndarray) -> _Triangles:
    return triangles[0][rows], triangles[1][rows]


def _normals(corners: np.ndarray) -> np.ndarray:
    """Unit normals [P, 3] of triangles, 0 of those that are none."""
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    return np.divide(normal, length, out=np.zeros_like(normal), where=length > 0)


def _heights(a: _Triangles, b: _Triangles) -> np.ndarray:
    """Signed distances [P, 3] of the corners of a from the planes of b; 0 where it is nothing."""
    height = np.einsum("pck,pk->pc", a[0] - b[0][:, :1], b[1])
    height[np.abs(height) <= FLAT] = 0
    return height


def _both_sides(height: np.ndarray) -> np.ndarray:
    return np.asarray((height.min(axis=1) < 0) & (height.max(axis=1) > 0))


def _one_side(height: np.ndarray) -> np.ndarray:
    return np.asarray((height > 0).all(axis=1) | (height < 0).all(axis=1))


def _pierces(a: np.ndarray, triangles: _Triangles, height: np.ndarray) -> np.ndarray:
    """Whether an edge of a passes through the triangles, from the heights of a's corners."""
    b, normal = triangles
    found = np.zeros(len(a), dtype=bool)
    for start, end in ((0, 1), (1, 2), (2, 0)):
        h, g = height[:, start], height[:, end]
        row = np.flatnonzero(h * g < 0)
        share = (h[row] / (h[row] - g[row]))[:, None]
        point = a[row, start] + share * (a[row, end] - a[row, start])
        within = np.ones(len(row), dtype=bool)
        for c in range(3):
            side = b[row, (c + 1) % 3] - b[row, c]
            turn = (np.cross(side, point - b[row, c]) * normal[row]).sum(axis=1)
            within &= turn >= 0
        found[row] |= within
    return found


def _pairs(
    corners: Float[np.ndarray, "F 3 3"],
) -> Iterator[tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"]]]:
    """Every pair of faces whose boxes overlap, once, some at a time."""
    low, high = corners.min(axis=1), corners.max(axis=1)
    extent = (high - low).max(axis=1).clip(FINEST)
    octave = np.ceil(np.log2(extent)).astype(int)
    for level in np.unique(octave).tolist():
        cell = 2.0**level
        here, finer = np.flatnonzero(octave == level), np.flatnonzero(octave <= level)
        keys, owner = _cells(low[here], high[here], cell)
        order = np.argsort(keys, kind="stable")
        keys, owner = keys[order], here[owner[order]]
        wanted, asker = _cells(low[finer], high[finer], cell)
        asker = finer[asker]
        first = np.searchsorted(keys, wanted, side="left")
        count = np.searchsorted(keys, wanted, side="right") - first
        for part in _parts(count):
            many = count[part]
            a = np.repeat(asker[part], many)
            at = np.arange(len(a)) - np.repeat(np.cumsum(many) - many, many)
            b = owner[np.repeat(first[part], many) + at]
            key = np.repeat(wanted[part], many)
            keep = (octave[a] < level) | (a < b)  # of equals, each pair once
            keep &= ((low[a] <= high[b]) & (low[b] <= high[a])).all(axis=1)
            a, b, key = a[keep], b[keep], key[keep]
            once = _key(np.floor(np.maximum(low[a], low[b]) / cell).astype(np.int64)) == key
            yield a[once], b[once]


def _cells(low: np.ndarray, high: np.ndarray, cell: float) -> tuple[np.ndarray, np.ndarray]:
    """The keys of the at most eight cells each box meets, and the row of the box."""
    first, last = (np.floor(x / cell).astype(np.int64) for x in (low, high))
    each = np.minimum(first[:, None] + CORNERS, last[:, None])
    met = (first[:, None] + CORNERS <= last[:, None]).all(axis=2)
    return _key(each)[met], np.nonzero(met)[0]


def _key(cells: np.ndarray) -> np.ndarray:
    """One number of three from 0 to 2^20."""
    return (cells[..., 0] << 42) | (cells[..., 1] << 21) | cells[..., 2]


def _parts(count: np.ndarray) -> Iterator[slice]:
    """Runs of rows that together have about PAIRS pairs."""
    total = np.cumsum(count)
    start = 0
    while start < len(count):
        before = int(total[start - 1]) if start else 0
        end = max(start + 1, int(np.searchsorted(total, before + PAIRS, side="right")))
        yield slice(start, end)
        start = end
