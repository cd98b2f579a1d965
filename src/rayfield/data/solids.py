"""Shapes that have an inside, as methods learn them: from meshes and from grids of cells.

The frame: the middle of the shape's box is the origin and its longest side 1.6 long (of a grid: the
box of all its cells), so that it lies well within the cube [-1, 1]^3. The papers' unit cube is thus
1.6 wide here, and their cube of side 1.1 reaches to PADDED.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from rayfield.core.types import Mesh, PointCloud
from rayfield.geometry.distance import MeshDistance
from rayfield.geometry.mesh import transform
from rayfield.geometry.sampling import sample_surface
from rayfield.geometry.voxels import (
    centres,
    coarsened,
    distance_grid,
    in_grid,
    interpolated,
    refined,
    sample_faces,
    surface_mesh,
)

HALF = 0.8  # of the longest side
PADDED = 1.1 * HALF  # half the side of the cube that points are drawn from
REACH = 1.0  # distances are known this far

PointFn = Callable[[Float[Tensor, "N 3"]], Float[Tensor, " N"]]


@runtime_checkable
class Solid(Protocol):
    """A shape in the frame above."""

    @property
    def mesh(self) -> Mesh:
        """Its surface."""

    def inside(self, points: Float[Tensor, "N 3"]) -> Bool[Tensor, " N"]:
        """Whether points are inside."""

    def distance(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """Signed distances to the surface, negative inside."""

    def surface(self, count: int, *, generator: Generator) -> PointCloud:
        """Random points of the surface, with normals."""

    def grid(self, resolution: int) -> Bool[Tensor, "R R R"]:
        """The solid as cells over [-HALF, HALF]^3."""


class MeshSolid:
    """What a mesh in the frame winds around; a cell of its grid is true if its centre is inside."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh

    @cached_property
    def _distances(self) -> MeshDistance:
        return MeshDistance(self.mesh)

    def inside(self, points: Float[Tensor, "N 3"]) -> Bool[Tensor, " N"]:
        """See `Solid`."""
        return torch.from_numpy(self._distances.inside(points.double().numpy()))

    def distance(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """See `Solid`."""
        return torch.from_numpy(self._distances.signed(points.double().numpy())).float()

    def surface(self, count: int, *, generator: Generator) -> PointCloud:
        """See `Solid`."""
        return sample_surface(self.mesh, count, generator=generator)

    def grid(self, resolution: int) -> Bool[Tensor, "R R R"]:
        """See `Solid`."""
        return self.inside(centres(resolution, half=HALF)).view((resolution,) * 3)


class GridSolid:
    """The union of the true cells of a grid; distances are right to about a cell."""

    def __init__(self, cells: Bool[Tensor, "R R R"]) -> None:
        self.cells = cells

    @cached_property
    def mesh(self) -> Mesh:
        """The faces of the cells."""
        return surface_mesh(self.cells, half=HALF)

    @cached_property
    def _distances(self) -> tuple[Float[Tensor, "S S S"], float]:
        values = distance_grid(self.cells.numpy(), half=HALF, reach=REACH)
        return torch.from_numpy(values), HALF * values.shape[0] / self.cells.shape[0]

    def inside(self, points: Float[Tensor, "N 3"]) -> Bool[Tensor, " N"]:
        """See `Solid`."""
        return in_grid(self.cells, points, half=HALF)

    def distance(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """See `Solid`; beyond REACH the value at the rim."""
        values, half = self._distances
        return interpolated(values, points, half=half)

    def surface(self, count: int, *, generator: Generator) -> PointCloud:
        """See `Solid`."""
        return sample_faces(self.cells, count, half=HALF, generator=generator)

    def grid(self, resolution: int) -> Bool[Tensor, "R R R"]:
        """See `Solid`; a larger cell is true if any of its cells is."""
        side = self.cells.shape[0]
        if side % resolution == 0:
            return coarsened(self.cells, side // resolution)
        if resolution % side == 0:
            return refined(self.cells, resolution // side)
        return self.inside(centres(resolution, half=HALF)).view((resolution,) * 3)


def walled(value: PointFn, *, slope: float = 1.0) -> PointFn:
    """A function that is negative inside, made positive beyond the padded cube, where nothing was
    learned: there at least `slope` times the distance to the cube."""

    def outside(points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        beyond = slope * (points.abs().amax(dim=-1) - PADDED)
        return torch.maximum(value(points), beyond)

    return outside


def fitted(mesh: Mesh) -> tuple[MeshSolid, Float[np.ndarray, "4 4"]]:
    """A mesh brought into the frame, and the similarity that leads back. Its box has a size."""
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    world = np.eye(4) * float((high - low).max()) / (2 * HALF)
    world[:3, 3], world[3, 3] = (low + high) / 2, 1
    return MeshSolid(transform(mesh, np.linalg.inv(world))), world


def world_of_grid(resolution: int) -> Float[np.ndarray, "4 4"]:
    """The similarity from the frame to the indices of a grid's cells, [0, R]^3."""
    world = np.eye(4) * resolution / (2 * HALF)
    world[:3, 3], world[3, 3] = resolution / 2, 1
    return world
