"""Which points of a cloud lie by themselves, off every surface: what scanners see in thin air."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import cKDTree

SIXTH, FAR = 6, 5.0  # neighbour whose distance, in medians of it, is that of a point by itself
LOST = 20.0  # the same, from which on no surface is so sparse
AROUND = 12  # neighbours that lie with it in a surface, or do not
FLAT = 0.2  # thickness by width of a piece of surface, at most


def alone(points: Float[np.ndarray, "N 3"]) -> Bool[np.ndarray, " N"]:
    """Points whose sixth neighbour is five times farther than is usual, and that do not lie in a
    plane with their neighbours, as those of a sparser part of a surface do; or whose is 20 times.
    """
    found = np.zeros(len(points), bool)
    if len(points) <= AROUND:
        return found
    tree = cKDTree(points)
    distance = tree.query(points, k=[SIXTH + 1], workers=-1)[0][:, 0]
    lonely = np.flatnonzero(distance > FAR * np.median(distance))
    _, near = tree.query(points[lonely], k=AROUND + 1, workers=-1)
    patch = points[near] - points[near].mean(axis=1, keepdims=True)
    sizes = np.linalg.svd(patch, compute_uv=False)
    lost = distance[lonely] > LOST * np.median(distance)
    found[lonely] = lost | (sizes[:, 2] > FLAT * sizes[:, 1])
    return found
