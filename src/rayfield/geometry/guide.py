"""What is found out about a cloud of points before a surface is fitted to it.

How noisy they are, normals where they have none, and free points around them with the distance
and the side on which they lie. Nothing of it needs a setting.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

from rayfield.geometry import local_fit, orientation

FREE, NEAR = 60_000, 90_000  # free points spread over the cube, and around the data
AROUND = 0.03  # standard deviation of the latter, in sides of the cube
VOTERS = 8  # data that tell the side of a free point
MARGIN = 0.02  # by which a solid that was not seen from all sides leaves the box of its points


class Guide(NamedTuple):
    """Lengths are in sides of the unit cube, in which the points are.

    `noise`: standard deviation of the points across the surface; `normals` [N, 3]: unit, outward;
    `given`: whether they came with the data; `free` [M, 3], `distance` [M] to the nearest point,
    or behind an open cloud to its box, and `side` [M]: 1 outside, -1 inside, 0 unknown.
    """

    noise: float
    normals: Float[Tensor, "N 3"]
    given: bool
    free: Float[Tensor, "M 3"]
    distance: Float[Tensor, " M"]
    side: Float[Tensor, " M"]


def make_guide(points: Float[np.ndarray, "N 3"], normals: Float[np.ndarray, "N 3"] | None) -> Guide:
    """Look at points in the unit cube, and normals if they have some. Deterministic."""
    tree = cKDTree(points)
    scatter = local_fit.measure(points, tree)
    found = orientation.sides(points, scatter.spacing)
    given = normals is not None
    if normals is None:
        count = local_fit.neighbours_for(scatter, len(points))
        normals = local_fit.normals(points, tree, count)
        normals = orientation.oriented(found, points, normals, tree=tree)
    random = np.random.default_rng(0)
    around = points[random.integers(0, len(points), NEAR)] + AROUND * random.normal(size=(NEAR, 3))
    free = np.concatenate([random.random((FREE, 3)), around])
    distance, near = tree.query(free, k=min(VOTERS, len(points)), workers=-1)
    away = distance[:, 0]
    if orientation.holds(found, points, normals):
        side = orientation.side_of(found, free).astype(np.float32)
    else:
        side = _voted(points, normals, free, near)
        side, away = _bounded(points, free, side, distance=away)
    tensors = (_tensor(array) for array in (normals, free, away, side))
    normal, at, far, where = tensors
    return Guide(scatter.noise, normal, given, at, far, where)


def _voted(
    points: Float[np.ndarray, "N 3"],
    normals: Float[np.ndarray, "N 3"],
    free: Float[np.ndarray, "M 3"],
    near: Int[np.ndarray, "M K"],
) -> Float[np.ndarray, " M"]:
    """The side that most of the nearest data tell, else 0."""
    ahead = ((free[:, None] - points[near]) * normals[near]).sum(axis=2)
    votes = np.sign(ahead).mean(axis=1)
    return np.where(np.abs(votes) > 0.7, np.sign(votes), 0.0).astype(np.float32)


def _bounded(
    points: Float[np.ndarray, "N 3"],
    free: Float[np.ndarray, "M 3"],
    side: Float[np.ndarray, " M"],
    *,
    distance: Float[np.ndarray, " M"],
) -> tuple[Float[np.ndarray, " M"], Float[np.ndarray, " M"]]:
    """Sides and distances where all is outside beyond the box of the points.

    What is behind a scan from one side counts as inside by vote; the solid would run on to the
    walls of the cube. It ends at the box: those are at the distance of that.
    """
    low, high = points.min(axis=0) - MARGIN, points.max(axis=0) + MARGIN
    gap = np.linalg.norm(np.maximum(np.maximum(low - free, free - high), 0), axis=1)
    behind = (gap > 0) & (side <= 0)
    return np.where(gap > 0, 1.0, side), np.where(behind, np.minimum(distance, gap), distance)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))
