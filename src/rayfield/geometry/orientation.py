"""Which side of a cloud of points is outside, without normals or with unoriented ones.

A shell of cells that hold points is filled from outside; where it holds, the cells that are not
reached are the solid (`sides`). Normals look from there to the outside (`oriented`); those that
see no such cell follow their neighbours. Where the shell leaks, as that of a surface with holes
does, signs spread over a minimum spanning tree instead (Hoppe et al. 1992, "Surface
reconstruction from unorganized points", Sec. 3.3).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Int8
from scipy import ndimage
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree
from scipy.spatial import cKDTree

from rayfield.geometry.local_fit import indices

CELLS = (16, 64)  # fewest and most cells a side
PER_SPACING = 3.6  # cell sides in spacings of the points
PROBES = (1.5, 2.0, 2.5, 3.0)  # cells from a point at which its sides are looked up
LINKS = 12  # neighbours that agree on their normals
ROUNDS = 20
ASKED = 4000  # points that are asked whether their neighbours agree
TANGENT = 0.15  # sine of the angle from the tangent plane within which a neighbour lies
HOLDS = 0.5  # share of the points that must see the inside for a shell to count as closed

Sides = Int8[np.ndarray, "C C C"]


def sides(points: Float[np.ndarray, "N 3"], spacing: float) -> Sides:
    """Cells of the unit cube around points: 1 outside, -1 inside, 0 in the shell of the points."""
    low, high = CELLS
    cells = int(np.clip(1 / (PER_SPACING * max(spacing, 1e-9)), low, high))
    shell = np.zeros((cells,) * 3, bool)
    shell[tuple(_cell(points, cells).T)] = True
    shell = ndimage.binary_dilation(shell)
    parts, _ = ndimage.label(np.pad(~shell, 1, constant_values=True))
    outside = (parts == parts[0, 0, 0])[1:-1, 1:-1, 1:-1]
    return np.where(shell, 0, np.where(outside, 1, -1)).astype(np.int8)


def side_of(found: Sides, points: Float[np.ndarray, "N 3"]) -> Int8[np.ndarray, " N"]:
    """The side of points; outside of the cube is outside."""
    beyond = ((points < 0) | (points > 1)).any(axis=1)
    return np.where(beyond, 1, found[tuple(_cell(points, len(found)).T)]).astype(np.int8)


def holds(
    found: Sides, points: Float[np.ndarray, "N 3"], normals: Float[np.ndarray, "N 3"]
) -> bool:
    """Whether most points have the inside on one side of their normals."""
    inside = np.zeros(len(points), bool)
    for step in PROBES:
        for sign in (-1, 1):
            inside |= side_of(found, points + sign * step / len(found) * normals) < 0
    return bool(inside.mean() > HOLDS)


def oriented(
    found: Sides,
    points: Float[np.ndarray, "N 3"],
    normals: Float[np.ndarray, "N 3"],
    *,
    tree: cKDTree,
) -> Float[np.ndarray, "N 3"]:
    """The normals, turned outwards; `tree` holds the points."""
    near = indices(tree, points, min(LINKS, len(points)))
    if not holds(found, points, normals):
        return _spread_by_tree(points, normals, near)
    score = np.zeros(len(points))
    for step in PROBES:
        shift = step / len(found) * normals
        score += side_of(found, points + shift).astype(float) - side_of(found, points - shift)
    trust = np.abs(score)
    sign = np.sign(score)
    for _ in range(ROUNDS):
        field = normals * (sign * trust)[:, None]
        vote = (field[near].sum(axis=1) * normals).sum(axis=1)
        sign = np.where(vote != 0, np.sign(vote), sign)
        trust = np.minimum(np.abs(vote), 1.0)
    return normals * np.where(sign == 0, 1.0, sign)[:, None]


def discord(
    points: Float[np.ndarray, "N 3"], normals: Float[np.ndarray, "N 3"], tree: cKDTree
) -> float:
    """The share of pairs of neighbours whose normals look against each other, of a sample.

    Of random signs it is a half, of a share p turned round 2 p (1 - p). Only neighbours within the
    tangent plane count, so that both sides of a thin sheet may look away from each other.
    """
    step = max(1, len(points) // ASKED)
    own, at = normals[::step, None], points[::step, None]
    near = indices(tree, points[::step], min(LINKS, len(points)))[:, 1:]
    away = points[near] - at
    beside = np.abs((away * own).sum(axis=2)) < TANGENT * np.linalg.norm(away, axis=2)
    against = (normals[near] * own).sum(axis=2) < 0
    return float((against & beside).sum() / max(int(beside.sum()), 1))


def _spread_by_tree(
    points: Float[np.ndarray, "N 3"],
    normals: Float[np.ndarray, "N 3"],
    near: Int[np.ndarray, "N K"],
) -> Float[np.ndarray, "N 3"]:
    """Signs from the topmost point of each connected part on, over the most parallel neighbours."""
    count = len(points)
    rows = np.repeat(np.arange(count), near.shape[1] - 1)
    columns = near[:, 1:].ravel()
    cosine = np.abs((normals[rows] * normals[columns]).sum(axis=1))
    links = csr_matrix((1.0 - cosine + 1e-6, (rows, columns)), shape=(count, count))
    tree = minimum_spanning_tree(links.maximum(links.T))
    sign = np.zeros(count)
    for root in np.argsort(-points[:, 2], kind="stable"):
        if sign[root]:
            continue
        sign[root] = 1.0 if normals[root, 2] >= 0 else -1.0
        order, parent = breadth_first_order(tree, root, directed=False)
        for child in order[1:]:
            before = parent[child]
            agree = normals[child] @ normals[before]
            sign[child] = sign[before] * (1.0 if agree >= 0 else -1.0)
    return normals * sign[:, None]


def _cell(points: Float[np.ndarray, "N 3"], cells: int) -> Int[np.ndarray, "N 3"]:
    return np.clip((points * cells).astype(np.int64), 0, cells - 1)
