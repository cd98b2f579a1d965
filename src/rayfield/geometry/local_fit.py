"""What the neighbours of a point say of the surface: its noise, and its normal.

Heights over the best plane are fitted by a quadric (a moving least squares fit of second order,
as in Cazals & Pouget 2003, "Estimating differential quantities using polynomial fitting").
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

CHUNK = 4000  # points at a time
SAMPLED = 3000  # points that are asked for the noise
NEIGHBOURS = 48  # that are asked with each of them
TERMS = 6  # of a quadric
LEAST, MOST, PER_NOISE = 24, 150, 290.0  # neighbours of a normal, and how they grow with noise
WIDTH = 0.7  # of the Gaussian weights, in distances of the last neighbour


class Scatter(NamedTuple):
    """`noise`: standard deviation of the points across the surface, in their units;
    `spacing`: median distance to the sixth neighbour; `reach`: that to the 48th."""

    noise: float
    spacing: float
    reach: float


def measure(points: Float[np.ndarray, "N 3"], tree: cKDTree) -> Scatter:
    """How far points lie off their surface, from quadrics of a sample: a median, so that edges
    and outliers of less than half of the points do not matter. Curvature that a quadric does not
    follow counts as noise."""
    count = min(NEIGHBOURS, len(points))
    step = max(1, len(points) // SAMPLED)
    chosen = points[::step]
    distance, near = tree.query(chosen, k=count, workers=-1)
    weights = np.ones_like(distance)
    _, residual = _fit(chosen, points[near], distance[:, -1], weights)
    freedom = max(count - TERMS, 1)
    noise = np.median(np.sqrt((residual**2).sum(axis=1) / freedom))
    sixth = distance[:, min(6, count - 1)]
    return Scatter(float(noise), float(np.median(sixth)), float(np.median(distance[:, -1])))


def neighbours_for(scatter: Scatter, count: int) -> int:
    """How many neighbours a normal needs: few where points are clean, many where they are not."""
    wanted = LEAST + PER_NOISE * scatter.noise / max(scatter.reach, 1e-12)
    return int(min(np.clip(wanted, LEAST, MOST), count))


def normals(
    points: Float[np.ndarray, "N 3"], tree: cKDTree, count: int
) -> Float[np.ndarray, "N 3"]:
    """Unit normals of arbitrary sign from quadrics through `count` neighbours."""
    found = np.empty_like(points)
    for begin in range(0, len(points), CHUNK):
        part = points[begin : begin + CHUNK]
        distance, near = tree.query(part, k=count, workers=-1)
        width = np.maximum(WIDTH * distance[:, -1:], 1e-12)
        weights = np.exp(-((distance / width) ** 2))
        found[begin : begin + CHUNK], _ = _fit(part, points[near], width[:, 0], weights)
    return found


def _fit(
    at: Float[np.ndarray, "N 3"],
    near: Float[np.ndarray, "N K 3"],
    size: Float[np.ndarray, " N"],
    weights: Float[np.ndarray, "N K"],
) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, "N K"]]:
    """Normals of quadrics at the points, and how far each neighbour is off its quadric."""
    size = np.maximum(size, 1e-12)[:, None]
    mean = (near * weights[..., None]).sum(1) / weights.sum(1)[:, None]
    spread = (near - mean[:, None]) * np.sqrt(weights)[..., None]
    _, frame = np.linalg.eigh(spread.transpose(0, 2, 1) @ spread)
    local = (near - at[:, None]) @ frame
    height, u, v = local[..., 0] / size, local[..., 1] / size, local[..., 2] / size
    across = weights if np.ptp(weights) == 0 else np.exp(-(u * u + v * v))
    terms = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=-1)
    weighted = (terms * across[..., None]).transpose(0, 2, 1)
    matrix = weighted @ terms + 1e-6 * np.eye(TERMS)
    coefficients = np.linalg.solve(matrix, weighted @ height[..., None])
    residual = (height - (terms @ coefficients)[..., 0]) * size
    slope = coefficients[:, 1:3, 0]
    normal = frame[:, :, 0] - frame[:, :, 1] * slope[:, :1] - frame[:, :, 2] * slope[:, 1:]
    return normal / np.linalg.norm(normal, axis=1, keepdims=True), residual


def indices(tree: cKDTree, points: Float[np.ndarray, "N 3"], count: int) -> Int[np.ndarray, "N K"]:
    """The nearest `count` (2 or more) data of every point."""
    return tree.query(points, k=count, workers=-1)[1]
