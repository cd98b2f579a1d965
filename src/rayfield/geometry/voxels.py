"""Solids made of cubic cells: what they enclose, their surface, distances to it, other grids.

A grid of R^3 cells fills the cube [-half, half]^3, its axes are those of the space, and the solid
is the union of its true cells. Distances are those between centres of cells, by the exact Euclidean
transform (Maurer et al. 2003, as in scipy), half a cell less: right to about a cell.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from scipy.ndimage import distance_transform_edt
from torch import Generator, Tensor
from torch.nn import functional

from rayfield.core.types import Mesh, PointCloud

# The corners of a cell's face across +axis, counter-clockwise from outside, by axis.
CORNERS = np.array(
    [
        [(1, 0, 0), (1, 1, 0), (1, 1, 1), (1, 0, 1)],
        [(0, 1, 0), (0, 1, 1), (1, 1, 1), (1, 1, 0)],
        [(0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)],
    ]
)


def in_grid(
    grids: Bool[Tensor, "*G R R R"], points: Float[Tensor, "*G N 3"], *, half: float
) -> Bool[Tensor, "*G N"]:
    """Whether points are in a solid; outside of the grid nothing is. One grid for each set."""
    side = grids.shape[-1]
    cell = ((points + half) * (side / (2 * half))).floor().long()
    within = ((cell >= 0) & (cell < side)).all(dim=-1)
    x, y, z = cell.clamp(0, side - 1).unbind(-1)
    return grids.flatten(-3).gather(-1, (x * side + y) * side + z) & within


def centres(resolution: int, *, half: float) -> Float[Tensor, "N 3"]:
    """The centres of the cells of a grid, the last axis fastest."""
    line = ((torch.arange(resolution) + 0.5) / resolution * 2 - 1) * half
    return torch.cartesian_prod(line, line, line)


def surface_mesh(grid: Bool[Tensor, "R R R"], *, half: float) -> Mesh:
    """The faces between true cells and others, two triangles each; corners are shared."""
    side = grid.shape[0]
    solid = np.pad(grid.numpy(), 1)
    found = []
    for axis in range(3):
        for sign in (1, -1):
            bare = solid & ~np.roll(solid, -sign, axis)
            cells = np.argwhere(bare)[:, None] - 1
            corners = CORNERS[axis] if sign > 0 else _opposite(CORNERS[axis], axis)
            found.append(cells + corners[None])
    quads = np.concatenate(found)
    index = quads @ np.array([(side + 1) ** 2, side + 1, 1])
    used, of_corner = np.unique(index, return_inverse=True)
    of_corner = of_corner.reshape(-1, 4)
    lattice = np.stack(np.unravel_index(used, (side + 1,) * 3), axis=1)
    faces = np.concatenate([of_corner[:, [0, 1, 2]], of_corner[:, [0, 2, 3]]])
    return Mesh((lattice / side * 2 - 1) * half, faces.astype(np.int32))


def sample_faces(
    grid: Bool[Tensor, "R R R"], count: int, *, half: float, generator: Generator
) -> PointCloud:
    """`count` points spread evenly over the surface of a solid with one cell or more."""
    side = grid.shape[0]
    solid = functional.pad(grid, (1,) * 6)
    places, normals = [], []
    for axis in range(3):
        for sign in (1, -1):
            bare = (solid & ~solid.roll(-sign, axis)).nonzero() - 1
            normal = torch.zeros(3)
            normal[axis] = sign
            places.append(bare)
            normals.append(normal.expand(len(bare), 3))
    place, normal = torch.cat(places), torch.cat(normals)
    pick = torch.randint(len(place), (count,), generator=generator)
    offset = torch.rand(count, 3, generator=generator)
    normal = normal[pick]
    offset = torch.where(normal != 0, 0.5 * (normal + 1), offset)
    points = ((place[pick] + offset) / side * 2 - 1) * half
    return PointCloud(points.double().numpy(), normal.double().numpy())


def distance_grid(
    grid: Bool[np.ndarray, "R R R"], *, half: float, reach: float
) -> Float32[np.ndarray, "S S S"]:
    """Signed distances (negative inside) at the centres of a grid of the same cells that reaches
    to `reach` at least, in the units of `half`; the grid holds a true cell and a false one."""
    side = grid.shape[0]
    margin = int(np.ceil((reach - half) / (2 * half) * side)) + 1
    solid = np.pad(grid, margin)
    outside, inside = distance_transform_edt(~solid), distance_transform_edt(solid)
    cells = np.where(solid, 0.5 - inside, outside - 0.5)
    return (cells * (2 * half / side)).astype(np.float32)


def interpolated(
    values: Float[Tensor, "S S S"], points: Float[Tensor, "*B 3"], *, half: float
) -> Float[Tensor, "*B"]:
    """Trilinear values between those at cell centres of the grid over [-half, half]^3; beyond
    the outermost centres, theirs."""
    flat = (points / half).reshape(1, 1, 1, -1, 3).flip(-1)
    found = functional.grid_sample(
        values[None, None], flat, padding_mode="border", align_corners=False
    )
    return found.reshape(points.shape[:-1])


def coarsened(grids: Bool[Tensor, "*G R R R"], factor: int) -> Bool[Tensor, "*G S S S"]:
    """Grids of `factor` times larger cells, true where any of their cells is."""
    side = grids.shape[-1]
    flat = grids.reshape(-1, 1, side, side, side).float()
    small = functional.max_pool3d(flat, factor) > 0
    return small.reshape(*grids.shape[:-3], *small.shape[-3:])


def refined(grids: Bool[Tensor, "*G R R R"], factor: int) -> Bool[Tensor, "*G S S S"]:
    """The same solids in cells `factor` times smaller."""
    for axis in (-1, -2, -3):
        grids = grids.repeat_interleave(factor, dim=axis)
    return grids


def _opposite(corners: np.ndarray, axis: int) -> np.ndarray:
    """The face across the cell, seen from the other side."""
    moved = corners[::-1].copy()
    moved[:, axis] = 0
    return moved
