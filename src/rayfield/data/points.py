"""Points of a surface, from a file of points or of a mesh: what implicit surfaces are learned from.

They are moved into the cube [-1, 1]^3 of the scene: the middle of their box to the origin, its
longest side to 2 HALF_SIDE. All of that happens in float64, so offsets of survey coordinates and
tiny units are harmless.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Generator, Tensor

from rayfield.core.check import DataError
from rayfield.core.types import Mesh, PointCloud
from rayfield.data.pointfiles import read_raw
from rayfield.geometry import local_fit, orientation
from rayfield.geometry.guide import Guide, make_guide
from rayfield.geometry.mesh import transform
from rayfield.geometry.meshio import MeshFile
from rayfield.geometry.outliers import alone
from rayfield.geometry.pointio import PointFile
from rayfield.geometry.sampling import sample_surface

HALF_SIDE = 0.8  # of the longest side of the points' box, in scene units
NEIGHBOUR = (
    50  # whose distance is the spread of a point, Gropp et al. 2020 and Atzmon & Lipman 2020
)
FROM_MESH = 100_000  # points that are taken of a mesh
MOST_POINTS = 250_000  # Atzmon & Lipman 2020; more are thinned out
FEWEST = 10
MOST_STRAY = 0.1  # of the points, that may be outliers
DISCORD = 0.05  # of neighbours whose normals look apart; from here on they are no guide
FLAT = 1e-4  # of the greatest extent: what is thinner has no volume
ALONE = 2048  # queries from which on threads pay

DistanceFn = Callable[[Float[Tensor, "N 3"]], Float[Tensor, " N"]]
GuideFn = Callable[[bool], Guide]


class CloudTraits(NamedTuple):
    """What a method may know of points before it is built: how many, and whether with normals."""

    count: int  # type: ignore[assignment]  # hides tuple.count, unused
    has_normals: bool


class PointBatch(NamedTuple):
    """Points of a surface, in scene units.

    `normals` are unit and outward, or zero where `oriented` is false; `spread` is the distance to
    the 50th neighbour; `distance` gives the distance of any points to the nearest of all the data,
    from which gradients lead back to those points. `chosen` are the numbers of the points among
    the data, and guide(use_normals) what is found out about all of those, worked out once.
    """

    points: Float[Tensor, "N 3"]
    normals: Float[Tensor, "N 3"]
    spread: Float[Tensor, " N"]
    oriented: bool
    distance: DistanceFn
    chosen: Int[Tensor, " N"] | None = None
    guide: GuideFn | None = None


@dataclass(frozen=True)
class Cloud:
    """Points in the scene's cube, unit outward normals if they have some, and the way back.

    `mesh`: the surface that the points were taken of, where one was given, in the scene's cube.
    """

    path: Path
    points: Float[np.ndarray, "N 3"]
    normals: Float[np.ndarray, "N 3"] | None
    mesh: Mesh | None
    world_from_scene: Float[np.ndarray, "4 4"]
    notes: tuple[str, ...]
    fingerprint: str

    @property
    def traits(self) -> CloudTraits:
        """What a method is told of the points."""
        return CloudTraits(len(self.points), self.normals is not None)

    @cached_property
    def tree(self) -> cKDTree:
        """For nearest neighbours."""
        return cKDTree(self.points)


class PointSampler:
    """Random points out of a cloud."""

    def __init__(self, cloud: Cloud) -> None:
        points = cloud.points
        self._points = torch.from_numpy(points).float()
        self._oriented = cloud.normals is not None
        normals = np.zeros_like(points) if cloud.normals is None else cloud.normals
        self._normals = torch.from_numpy(normals).float()
        self._spread = torch.from_numpy(spreads(cloud)).float()
        self._distance = distance_to(cloud)
        self._guide = guide_of(cloud)

    def sample(self, n: int, *, generator: Generator) -> PointBatch:
        """`n` of the points, with replacement."""
        chosen = torch.randint(len(self._points), (n,), generator=generator)
        return PointBatch(
            self._points[chosen],
            self._normals[chosen],
            self._spread[chosen],
            self._oriented,
            self._distance,
            chosen,
            self._guide,
        )


def spreads(cloud: Cloud) -> Float[np.ndarray, " N"]:
    """The distance of every point to its 50th neighbour, or its last one where there are fewer."""
    last = min(NEIGHBOUR + 1, len(cloud.points))  # counting from 1, and the point itself
    distance, _ = cloud.tree.query(cloud.points, k=[last], workers=-1)
    return distance[:, 0]


def guide_of(cloud: Cloud) -> GuideFn:
    """What is found out about a cloud moved into the unit cube, when it is first asked for."""
    found: dict[bool, Guide] = {}

    def guide(use_normals: bool) -> Guide:
        if use_normals not in found:
            normals = cloud.normals if use_normals else None
            found[use_normals] = make_guide(0.5 * (cloud.points + 1), normals)
        return found[use_normals]

    return guide


def distance_to(cloud: Cloud) -> DistanceFn:
    """Distances to the nearest point of a cloud, as a function of tensors and differentiable."""
    data = torch.from_numpy(cloud.points).float()

    def distance(points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        threads = -1 if len(points) >= ALONE else 1
        _, index = cloud.tree.query(points.detach().numpy(), workers=threads)
        return (points - data[torch.from_numpy(index)]).norm(dim=1)

    return distance


def read_points(path: Path, *, drop_invalid: bool = False) -> Cloud:
    """Read points, or 100,000 evenly spread ones of a mesh, and move them into the scene's cube.

    Those that are not finite numbers are dropped if `drop_invalid`. Raises DataError for anything
    that no surface can be learned from.
    """
    raw, mesh = read_raw(path, drop_invalid=drop_invalid), None
    if isinstance(raw, MeshFile):
        mesh = raw.mesh
        raw = PointFile(sample_surface(mesh, FROM_MESH, generator=None), raw.notes)
    cloud, more = _thinned(raw.cloud)
    notes = [*raw.notes, *more]
    if mesh is None:
        cloud, more = _without_outliers(cloud)
        notes += more
    _check_extent(path, cloud.points)
    low, high = cloud.points.min(axis=0), cloud.points.max(axis=0)
    scale = float((high - low).max()) / (2 * HALF_SIDE)
    world = np.diag([scale, scale, scale, 1.0])
    world[:3, 3] = low + (high - low) / 2
    points = (cloud.points - world[:3, 3]) / scale
    directions = None
    if cloud.normals is not None:
        directions, more = _outward(points, cloud.normals)
        notes += more
    digest = hashlib.sha256(np.ascontiguousarray(cloud.points).tobytes())
    if cloud.normals is not None:
        digest.update(np.ascontiguousarray(cloud.normals).tobytes())
    if mesh is not None:
        mesh = transform(mesh, np.linalg.inv(world))
    return Cloud(path, points, directions, mesh, world, tuple(notes), digest.hexdigest())


def _thinned(cloud: PointCloud) -> tuple[PointCloud, list[str]]:
    """Every place once, and at most MOST_POINTS of them."""
    points, notes = cloud.points, []
    keep = np.sort(np.unique(points, axis=0, return_index=True)[1])
    if len(keep) < len(points):
        notes.append(f"{len(points) - len(keep)} repeated points left out")
    if len(keep) > MOST_POINTS:
        notes.append(f"{MOST_POINTS} of {len(keep)} points are used, chosen at random")
        order = torch.randperm(len(keep), generator=torch.Generator().manual_seed(0)).numpy()
        keep = keep[np.sort(order[:MOST_POINTS])]
    normals = None if cloud.normals is None else cloud.normals[keep]
    return PointCloud(points[keep], normals), notes


def _without_outliers(cloud: PointCloud) -> tuple[PointCloud, list[str]]:
    """Without the points that no surface goes through, unless they are many."""
    stray = alone(cloud.points)
    if not 0 < (count := int(stray.sum())) <= MOST_STRAY * len(stray):
        return cloud, []
    normals = None if cloud.normals is None else cloud.normals[~stray]
    note = f"{count} points that lie by themselves, off the surface, are left out"
    return PointCloud(cloud.points[~stray], normals), [note]


def _check_extent(path: Path, points: np.ndarray) -> None:
    """Refuse points that span no volume."""
    fix = "give points all over the surface of a solid"
    if len(points) < FEWEST:
        what = f"holds {len(points)} different points where at least {FEWEST} are needed"
        raise DataError(path, what, fix)
    centred = points - points.mean(axis=0)
    longest = np.abs(centred).max()
    sizes = np.linalg.svd(centred / longest, compute_uv=False)
    for axis, name in ((1, "on a line"), (2, "in a plane")):
        if sizes[axis] < FLAT * sizes[0]:
            raise DataError(path, f"all {len(points)} points lie {name}", fix)


def _outward(points: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Unit normals that look outwards, and a note if they did not."""
    unit, found = 0.5 * (points + 1), normals
    tree = cKDTree(unit)
    if orientation.discord(unit, normals, tree) > DISCORD:
        cells = orientation.sides(unit, local_fit.measure(unit, tree).spacing)
        found = orientation.oriented(cells, unit, normals, tree=tree)
    # The volume enclosed, by the divergence theorem, with equal areas for all points.
    if (found * (points - points.mean(axis=0))).sum() < 0:
        found = -found
    turned = int(((found * normals).sum(axis=1) < 0).sum())
    which = "" if turned == len(normals) else f"{turned} of "
    notes = [f"{which}the normals look inwards: they are turned round"] if turned else []
    return found, notes
