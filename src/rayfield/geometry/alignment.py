"""The similarity between two sets of points or cameras, and what is left between them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class PoseErrors(NamedTuple):
    """What is left between cameras after alignment, for each: the distance of the centres in the
    units of the true ones, and the angle of the rotations in degrees."""

    distance: Float[np.ndarray, " N"]
    angle: Float[np.ndarray, " N"]


def similarity(
    source: Float[np.ndarray, "N 3"], target: Float[np.ndarray, "N 3"]
) -> Float[np.ndarray, "4 4"]:
    """The rotation, uniform scale and shift that bring `source` closest to `target`.

    Closest in the sum of squared distances; never mirrored. Umeyama 1991, equations 40-43. Raises
    ValueError for fewer than three points, or points on a line, which leave it undetermined.
    """
    mean, aim = source.mean(axis=0), target.mean(axis=0)
    covariance = (target - aim).T @ (source - mean)
    left, sizes, right = np.linalg.svd(covariance)
    if len(source) < 3 or sizes[1] <= 1e-9 * sizes[0]:
        raise ValueError("at least three points that are not on a line are needed")
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    turn = (left * signs) @ right
    scale = float((sizes * signs).sum() / ((source - mean) ** 2).sum())
    matrix = np.eye(4)
    matrix[:3, :3] = scale * turn
    matrix[:3, 3] = aim - scale * turn @ mean
    return matrix


def pose_errors(found: Float[np.ndarray, "N 4 4"], true: Float[np.ndarray, "N 4 4"]) -> PoseErrors:
    """How far `found` world_from_camera poses are from the true ones, once the similarity between
    their centres is taken out. Raises what `similarity` does."""
    align = similarity(found[:, :3, 3], true[:, :3, 3])
    moved = align @ found
    distance = np.linalg.norm(moved[:, :3, 3] - true[:, :3, 3], axis=1)
    turn = align[:3, :3] / np.cbrt(np.linalg.det(align[:3, :3]))
    between = np.swapaxes(true[:, :3, :3], 1, 2) @ turn @ found[:, :3, :3]
    # the sine of half the angle is exact where it is small, unlike the cosine of the whole
    sine = np.linalg.norm(between - np.eye(3), axis=(1, 2)) / np.sqrt(8)
    return PoseErrors(distance, np.degrees(2 * np.arcsin(sine.clip(0, 1))))
