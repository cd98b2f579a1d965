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


SETTLING = 150  # neighbours of a quadric that only those with similar normals shape
ALIKE = 0.1  # of 1 - |cosine|: normals that differ by so much count 1 / e


class Fitted(NamedTuple):
    """Where the surface passes by every point, and its unit normal there, of arbitrary sign."""

    places: Float[np.ndarray, "N 3"]
    normals: Float[np.ndarray, "N 3"]


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
    *_, residual = _fit(chosen, points[near], size=distance[:, -1], weights=weights, falling=False)
    freedom = max(count - TERMS, 1)
    noise = np.median(np.sqrt((residual**2).sum(axis=1) / freedom))
    sixth = distance[:, min(6, count - 1)]
    return Scatter(float(noise), float(np.median(sixth)), float(np.median(distance[:, -1])))


def neighbours_for(scatter: Scatter, count: int) -> int:
    """How many neighbours a normal needs: few where points are clean, many where they are not."""
    wanted = LEAST + PER_NOISE * scatter.noise / max(scatter.reach, 1e-12)
    return int(min(np.clip(wanted, LEAST, MOST), count))


def fitted(points: Float[np.ndarray, "N 3"], tree: cKDTree, count: int) -> Fitted:
    """Quadrics through `count` neighbours of every point."""
    found = Fitted(np.empty_like(points), np.empty_like(points))
    for begin in range(0, len(points), CHUNK):
        part = slice(begin, begin + CHUNK)
        at = points[part]
        distance, near = tree.query(at, k=count, workers=-1)
        width = np.maximum(WIDTH * distance[:, -1:], 1e-12)
        weights = np.exp(-((distance / width) ** 2))
        found.places[part], found.normals[part], _ = _fit(
            at, points[near], size=width[:, 0], weights=weights
        )
    return found


def settled(points: Float[np.ndarray, "N 3"], tree: cKDTree, before: Fitted) -> Fitted:
    """The same again, neighbours counting by how alike their normals were: points beyond an edge
    or on the other side of something thin no longer bend the quadric (Öztireli, Guennebaud & Gross
    2009, "Feature preserving point set surfaces", Sec. 4). Signs of normals do not matter."""
    found = Fitted(np.empty_like(points), np.empty_like(points))
    count = min(SETTLING, len(points))
    for begin in range(0, len(points), CHUNK):
        part = slice(begin, begin + CHUNK)
        at, normal = before.places[part], before.normals[part]
        distance, near = tree.query(at, k=count, workers=-1)
        cosine = np.abs(np.einsum("nkc,nc->nk", before.normals[near], normal))
        found.places[part], found.normals[part], _ = _quadric(
            at, points[near], _frames(normal), size=WIDTH * distance[:, -1],
            trust=np.exp((cosine - 1) / ALIKE),
        )  # fmt: skip
    return found


def _fit(
    at: Float[np.ndarray, "N 3"],
    near: Float[np.ndarray, "N K 3"],
    *,
    size: Float[np.ndarray, " N"],
    weights: Float[np.ndarray, "N K"],
    falling: bool = True,
) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, "N 3"], Float[np.ndarray, "N K"]]:
    """`_quadric` over the plane of the weighted neighbours."""
    mean = (near * weights[..., None]).sum(1) / weights.sum(1)[:, None]
    spread = (near - mean[:, None]) * np.sqrt(weights)[..., None]
    _, frame = np.linalg.eigh(spread.transpose(0, 2, 1) @ spread)
    return _quadric(at, near, frame, size=size, falling=falling)


def _quadric(
    at: Float[np.ndarray, "N 3"],
    near: Float[np.ndarray, "N K 3"],
    frame: Float[np.ndarray, "N 3 3"],
    *,
    size: Float[np.ndarray, " N"],
    trust: Float[np.ndarray, "N K"] | None = None,
    falling: bool = True,
) -> tuple[Float[np.ndarray, "N 3"], Float[np.ndarray, "N 3"], Float[np.ndarray, "N K"]]:
    """Places on quadrics across `at` along the first axis of the frame (its columns), normals
    there, and how far each neighbour is off its quadric. Neighbours count by `trust`, and where
    `falling` less with their distance along the plane, in parts of `size`."""
    size = np.maximum(size, 1e-12)[:, None]
    local = (near - at[:, None]) @ frame
    height, u, v = local[..., 0] / size, local[..., 1] / size, local[..., 2] / size
    weights = np.ones_like(u) if trust is None else trust
    if falling:
        weights = weights * np.exp(-(u * u + v * v))
    terms = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=-1)
    weighted = (terms * weights[..., None]).transpose(0, 2, 1)
    matrix = weighted @ terms + 1e-6 * np.eye(TERMS)
    coefficients = np.linalg.solve(matrix, weighted @ height[..., None])
    residual = (height - (terms @ coefficients)[..., 0]) * size
    slope = coefficients[:, 1:3, 0]
    normal = frame[:, :, 0] - frame[:, :, 1] * slope[:, :1] - frame[:, :, 2] * slope[:, 1:]
    place = at + frame[:, :, 0] * coefficients[:, 0] * size
    return place, normal / np.linalg.norm(normal, axis=1, keepdims=True), residual


def _frames(normals: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3 3"]:
    """Rotations whose first columns are these unit vectors."""
    least = np.eye(3)[np.abs(normals).argmin(axis=1)]
    second = np.cross(normals, least)
    second /= np.linalg.norm(second, axis=1, keepdims=True)
    return np.stack([normals, second, np.cross(normals, second)], axis=2)


def indices(tree: cKDTree, points: Float[np.ndarray, "N 3"], count: int) -> Int[np.ndarray, "N K"]:
    """The nearest `count` (2 or more) data of every point."""
    return tree.query(points, k=count, workers=-1)[1]
