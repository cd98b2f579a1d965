"""How close a surface is to the true one, each measure named by its protocol.

Two sets of surface points are matched once, every point with its nearest neighbour in the other
set; the measures are plain functions of that. Lengths are in the units of the points.

* `chamfer_l1_onet`, `normal_consistency`, `iou`: Mescheder et al. 2019 (Occupancy Networks),
  Sec. 4 and supplementary. Their tables give Chamfer-L1 in tenths of the longest side of the box.
* `chamfer_l2`: Park et al. 2019 (DeepSDF), Sec. 6: 30,000 points, their table is times 1000.
* `fscore@1%`: Knapitsch et al. 2017, with a threshold of 1 % of the diagonal of the true box.
* `p2s_accuracy`, `p2s_completeness`: mean distance from the samples of one mesh to the triangles
  of the other; unlike between samples, it does not depend on how many samples there are.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Generator

from rayfield.core.check import RayfieldError
from rayfield.core.types import Mesh, PointCloud
from rayfield.geometry.distance import MeshDistance, nearest
from rayfield.geometry.mesh import area
from rayfield.geometry.sampling import sample_surface

SAMPLES = 100_000  # Mescheder et al. 2019
PADDING = 1.1  # sides of the cube of the IoU by the longest side of the box


class Matches(NamedTuple):
    """Nearest neighbours between found (N) and true (M) points.

    `accuracy` holds the distances from found to true, `completeness` those from true to found;
    `cosines` and `true_cosines` the |cosines| between the normals of the same pairs, None where
    one set has no normals.
    """

    accuracy: Float[np.ndarray, " N"]
    completeness: Float[np.ndarray, " M"]
    cosines: Float[np.ndarray, " N"] | None = None
    true_cosines: Float[np.ndarray, " M"] | None = None


def match(found: PointCloud, true: PointCloud) -> Matches:
    """Match every point with its nearest neighbour; RayfieldError if one set is empty."""
    there = nearest(found.points, true.points)
    back = nearest(true.points, found.points)
    if found.normals is None or true.normals is None:
        return Matches(there.distance, back.distance)
    cosines = np.abs((found.normals * true.normals[there.neighbour]).sum(axis=1))
    true_cosines = np.abs((true.normals * found.normals[back.neighbour]).sum(axis=1))
    return Matches(there.distance, back.distance, cosines, true_cosines)


def chamfer_l1_onet(matches: Matches) -> float:
    """Half the sum of the mean distances both ways, unsquared."""
    return 0.5 * float(matches.accuracy.mean() + matches.completeness.mean())


def chamfer_l2(matches: Matches) -> float:
    """The sum of the mean squared distances both ways."""
    return float((matches.accuracy**2).mean() + (matches.completeness**2).mean())


def fscore(matches: Matches, threshold: float) -> float:
    """Harmonic mean of the shares of points closer than `threshold`; 0 where both are 0."""
    precision = float((matches.accuracy < threshold).mean())
    recall = float((matches.completeness < threshold).mean())
    both = precision + recall
    return 2 * precision * recall / both if both > 0 else 0.0


def hausdorff(matches: Matches) -> float:
    """The greatest distance of any point to its nearest neighbour, either way."""
    return float(max(matches.accuracy.max(), matches.completeness.max()))


def normal_consistency(matches: Matches) -> float:
    """Mean |cosine| between normals, both ways averaged; RayfieldError without normals."""
    if matches.cosines is None or matches.true_cosines is None:
        raise RayfieldError("normal consistency needs the normals of both sets of points")
    return 0.5 * float(matches.cosines.mean() + matches.true_cosines.mean())


def iou(found: Bool[np.ndarray, " N"], true: Bool[np.ndarray, " N"]) -> float:
    """Points in both volumes by points in either; 1 where both are empty."""
    either = int((found | true).sum())
    return int((found & true).sum()) / either if either else 1.0


def point_to_surface(points: Float[np.ndarray, "N 3"], mesh: Mesh) -> float:
    """Mean distance from points to the triangles of a mesh."""
    return float(MeshDistance(mesh).unsigned(points).mean())


def compare(
    found: Mesh,
    reference: Mesh,
    samples: int = SAMPLES,
    *,
    generator: Generator | None,
    fraction: float = 0.01,
) -> dict[str, int | float]:
    """All measures of a mesh against the true one, under their names, ready for JSON.

    `samples` points of each surface, and as many in the cube about the reference for the IoU.
    `fraction` of the diagonal of the reference's box is the threshold of the F-score. A mesh
    without area scores as the Occupancy Networks' code scores it: all distances sqrt(3) of the
    longest side of the reference's box, normals -1, IoU and F-score 0. Raises RayfieldError for a
    reference without area.
    """
    name = f"fscore@{100 * fraction:g}%"
    low, high = _box(reference)
    if generator is None:  # one stream for both, so that their samples are independent
        generator = torch.Generator().manual_seed(0)
    if not area(found) > 0:
        return _worst(float((high - low).max()), name, samples)
    ours = sample_surface(found, samples, generator=generator)
    theirs = sample_surface(reference, samples, generator=generator)
    matches = match(ours, theirs)
    to_reference, to_found = MeshDistance(reference), MeshDistance(found)
    cube = _points_in_cube(low, high, samples, generator=generator)
    return {
        "samples": samples,
        "accuracy": float(matches.accuracy.mean()),
        "completeness": float(matches.completeness.mean()),
        "chamfer_l1_onet": chamfer_l1_onet(matches),
        "chamfer_l2": chamfer_l2(matches),
        "hausdorff": hausdorff(matches),
        "p2s_accuracy": float(to_reference.unsigned(ours.points).mean()),
        "p2s_completeness": float(to_found.unsigned(theirs.points).mean()),
        "normal_consistency": normal_consistency(matches),
        name: fscore(matches, fraction * float(np.linalg.norm(high - low))),
        "iou": iou(to_found.inside(cube), to_reference.inside(cube)),
    }


def _box(reference: Mesh) -> tuple[np.ndarray, np.ndarray]:
    if not area(reference) > 0:
        raise RayfieldError("the reference mesh has no area to compare with; give a surface")
    used = reference.vertices[reference.faces.ravel()]
    return used.min(axis=0), used.max(axis=0)


def _worst(side: float, name: str, samples: int) -> dict[str, int | float]:
    """The scores of nothing."""
    far = math.sqrt(3) * side
    chamfer = ("accuracy", "completeness", "chamfer_l1_onet")
    lengths = dict.fromkeys((*chamfer, "hausdorff", "p2s_accuracy", "p2s_completeness"), far)
    others = {"chamfer_l2": 2 * far**2, "normal_consistency": -1.0, name: 0.0, "iou": 0.0}
    return {"samples": samples, **lengths, **others}


def _points_in_cube(
    low: np.ndarray, high: np.ndarray, count: int, *, generator: Generator
) -> Float[np.ndarray, "N 3"]:
    """Points spread evenly over a cube a tenth wider than the longest side of a box."""
    unit = torch.rand(count, 3, generator=generator, dtype=torch.float64).numpy() - 0.5
    return (low + high) / 2 + unit * PADDING * (high - low).max()
