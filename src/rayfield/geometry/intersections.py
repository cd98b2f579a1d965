"""Faces of a mesh that cross each other.

Pairs come from grids of boxes, one grid for each octave of triangle sizes, so that neither large
nor small triangles crowd a cell. Two triangles cross when an edge of one passes through the plane
of the other strictly, and meets it within its sides. Touching, and overlapping in one plane, are
not crossing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int

from rayfield.core.types import Mesh
from rayfield.geometry.places import places

PAIRS = 2**19  # looked at together
FINEST = 2.0**-19  # of the mesh: smaller triangles share a grid
FLAT = 1e-12  # of the mesh's size: what is no distance from a plane
CORNERS = np.array([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)])


def self_intersections(mesh: Mesh) -> int:
    """How many pairs of faces cross. Vertices at the same place count as one."""
    if not len(mesh.faces):
        return 0
    faces = places(mesh.vertices).of_point[mesh.faces]
    low = mesh.vertices.min(axis=0)
    size = float(np.ptp(mesh.vertices, axis=0).max()) or 1.0
    corners = ((mesh.vertices - low) / size)[mesh.faces]
    found = 0
    for a, b in _pairs(corners):
        shared = (faces[a][:, :, None] == faces[b][:, None, :]).sum(axis=(1, 2))
        a, b = a[shared < 2], b[shared < 2]  # neighbours along an edge can but lie in one plane
        found += int(crossing(corners[a], corners[b]).sum())
    return found


def crossing(
    a: Float[np.ndarray, "P 3 3"], b: Float[np.ndarray, "P 3 3"]
) -> Bool[np.ndarray, " P"]:
    """Whether triangles (pair, corner, axis), of coordinates about 1, cross each other."""
    result = np.zeros(len(a), dtype=bool)
    heights = _heights(a, b), _heights(b, a)
    may = np.flatnonzero(_both_sides(heights[0]) | _both_sides(heights[1]))
    may = may[~(_one_side(heights[0][may]) | _one_side(heights[1][may]))]
    for first, second, height in ((a, b, heights[0]), (b, a, heights[1])):
        result[may] |= _pierces(first[may], second[may], height[may])
    return result


def _heights(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Signed distances [P, 3] of the corners of a from the planes of b; 0 where it is nothing."""
    normal = np.cross(b[:, 1] - b[:, 0], b[:, 2] - b[:, 0])
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    normal = np.divide(normal, length, out=np.zeros_like(normal), where=length > 0)
    height = np.einsum("pck,pk->pc", a - b[:, :1], normal)
    height[np.abs(height) <= FLAT] = 0
    return height


def _both_sides(height: np.ndarray) -> np.ndarray:
    return np.asarray((height.min(axis=1) < 0) & (height.max(axis=1) > 0))


def _one_side(height: np.ndarray) -> np.ndarray:
    return np.asarray((height > 0).all(axis=1) | (height < 0).all(axis=1))


def _pierces(a: np.ndarray, b: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Whether an edge of a passes through b, from the heights of a's corners over b's plane."""
    found = np.zeros(len(a), dtype=bool)
    normal = np.cross(b[:, 1] - b[:, 0], b[:, 2] - b[:, 0])
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
