"""The texels of a texture that triangles laid out on it cover, and the gaps between them filled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.ndimage import distance_transform_edt

TOGETHER = 2**21  # texels looked at at a time


class Texels(NamedTuple):
    """Texels by row (from the top) and column, the face on each, and where on it."""

    row: Int[np.ndarray, " T"]
    column: Int[np.ndarray, " T"]
    face: Int[np.ndarray, " T"]
    weights: Float[np.ndarray, "T 3"]


def texels(corners: Float[np.ndarray, "F 3 2"], side: int) -> Texels:
    """The texels whose middles lie on faces, on a square picture of `side` texels a side.

    `corners` are texture coordinates in [0, 1] with the origin at the lower left. Where faces
    overlap, the last has the texel.
    """
    places = corners * [side, -side] + [0, side]  # in texels, from the upper left
    low = np.floor(places.min(axis=1)).astype(np.int64).clip(0, side - 1)
    high = np.ceil(places.max(axis=1)).astype(np.int64).clip(1, side)
    extent = (high - low).max(axis=1).clip(1)
    size = 1 << np.ceil(np.log2(extent)).astype(int)
    owner = np.full((side, side), -1, np.int64)
    weights = np.zeros((side, side, 3), np.float32)
    for count in np.unique(size).tolist():
        group = np.flatnonzero(size == count)
        each = max(1, TOGETHER // count**2)
        for first in range(0, len(group), each):
            _lay(owner, weights, places, group[first : first + each], low=low, count=count)
    row, column = np.nonzero(owner >= 0)
    return Texels(row, column, owner[row, column], weights[row, column].astype(np.float64))


def fill_gaps(picture: UInt8[np.ndarray, "H W 3"], found: Texels) -> UInt8[np.ndarray, "H W 3"]:
    """The picture with every texel that no face covers as the nearest covered one, so that no
    seam shows however the picture is reduced. Without any covered one, as it is."""
    if not len(found.row):
        return picture
    empty = np.ones(picture.shape[:2], bool)
    empty[found.row, found.column] = False
    row, column = distance_transform_edt(empty, return_distances=False, return_indices=True)
    return picture[row, column]


def _lay(
    owner: np.ndarray,
    weights: np.ndarray,
    places: np.ndarray,
    group: np.ndarray,
    *,
    low: np.ndarray,
    count: int,
) -> None:
    """Enter the texels of some faces, all within `count` texels of their lowest."""
    y, x = np.divmod(np.arange(count**2), count)
    column, row = low[group, :1] + x, low[group, 1:] + y
    middle = np.stack([column, row], axis=-1) + 0.5
    a, b, c = (places[group, k][:, None] for k in range(3))
    whole = _cross(b - a, c - a)
    whole = np.where(np.abs(whole) < 1e-12, np.inf, whole)
    share = np.stack([_cross(c - b, middle - b), _cross(a - c, middle - c)], axis=-1)
    share = share / whole[..., None]
    share = np.concatenate([share, 1 - share.sum(axis=-1, keepdims=True)], axis=-1)
    hit = (share >= 0).all(axis=-1) & (row < len(owner)) & (column < len(owner))
    hit &= np.isfinite(whole)
    owner[row[hit], column[hit]] = np.broadcast_to(group[:, None], hit.shape)[hit]
    weights[row[hit], column[hit]] = share[hit]


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
