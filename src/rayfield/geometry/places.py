"""Points at exactly the same place."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Places(NamedTuple):
    """The first point of each place, in order, and the place of every point."""

    first: Int[np.ndarray, " P"]
    of_point: Int[np.ndarray, " N"]


def places(points: Float[np.ndarray, "N 3"]) -> Places:
    """The distinct places of points, numbered as they first appear."""
    points = points + 0.0  # no -0
    order = np.lexsort(points.T)
    new = np.ones(len(order), dtype=bool)
    new[1:] = (points[order[1:]] != points[order[:-1]]).any(axis=1)
    if not len(order):
        return Places(order, order)
    first = np.minimum.reduceat(order, np.flatnonzero(new))  # of every group
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    of_point = np.empty(len(order), np.int64)
    of_point[order] = rank[np.cumsum(new) - 1]
    return Places(np.sort(first), of_point)
