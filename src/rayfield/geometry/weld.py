"""Vertices that lie on one node of the lattice become one, where the mesh stays a surface."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int, Int64
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def welded(faces: Int[np.ndarray, "F 3"], node: Int64[np.ndarray, " V"]) -> Int[np.ndarray, "G 3"]:
    """The faces with joined vertices, without those that have no area left.

    Vertices with the same `node` (-1: none) are joined if edges connect them, so that two sheets
    which only touch stay two. Where an edge would then have other than two faces, nothing is
    joined.
    """
    near = faces[(node[faces] >= 0).any(axis=1)]
    if not len(near):
        return faces
    into = _joined(near, node)
    while True:
        bad = _bad(near, into)
        if not bad.any():
            break
        into = np.where(bad[into], np.arange(len(into)), into)
    return _real(into[faces].astype(faces.dtype))


def _joined(near: Int[np.ndarray, "F 3"], node: Int64[np.ndarray, " V"]) -> Int64[np.ndarray, " V"]:
    """For each vertex the first of those that it is joined with."""
    a, b = near.ravel(), near[:, [1, 2, 0]].ravel()
    same = (node[a] >= 0) & (node[a] == node[b])
    a, b = a[same], b[same]
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(len(node), len(node)))
    _, group = connected_components(graph, directed=False)
    _, first = np.unique(group, return_index=True)
    return first[group]


def _bad(near: Int[np.ndarray, "F 3"], into: Int64[np.ndarray, " V"]) -> Bool[np.ndarray, " V"]:
    """Joined vertices with an edge that has not two faces; `near` holds all faces at any."""
    met = np.zeros(len(into), bool)
    met[into[into != np.arange(len(into))]] = True
    faces = _real(into[near])
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    edges, uses = np.unique(edges, axis=0, return_counts=True)
    ends = edges[(uses != 2) & met[edges].any(axis=1)].ravel()
    bad = np.zeros(len(into), bool)
    bad[ends[met[ends]]] = True
    return bad


def _real(faces: Int[np.ndarray, "F 3"]) -> Int[np.ndarray, "G 3"]:
    a, b, c = faces.T
    return faces[(a != b) & (b != c) & (c != a)]
