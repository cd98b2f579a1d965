"""Solids of cells against brute force: what is inside, their faces, distances, other grids."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rayfield.geometry.mesh import area, edge_uses, volume
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

HALF = 0.8


def some_grid(side: int = 6, *, share: float = 0.3) -> torch.Tensor:
    grid = torch.rand(side, side, side, generator=torch.Generator().manual_seed(3)) < share
    grid[0, 0, 0], grid[1, 1, 1] = True, False
    return grid


def test_the_centres_of_cells_are_inside_as_the_grid_says():
    grid = some_grid()
    found = in_grid(grid, centres(6, half=HALF), half=HALF)
    assert torch.equal(found.view(6, 6, 6), grid)


def test_nothing_is_inside_outside_of_the_grid(generator):
    points = torch.randn(200, 3, generator=generator)
    points = points / points.abs().amax(dim=1, keepdim=True) * 0.801
    assert not in_grid(torch.ones(4, 4, 4, dtype=torch.bool), points, half=HALF).any()


def test_each_set_of_points_has_its_own_grid(generator):
    grids = torch.stack([some_grid(), ~some_grid()])
    points = (torch.rand(100, 3, generator=generator) * 2 - 1) * HALF
    first, second = in_grid(grids, points.expand(2, 100, 3), half=HALF)
    assert torch.equal(first, ~second)


def test_the_faces_enclose_the_cells_and_look_outwards():
    grid = some_grid()
    mesh = surface_mesh(grid, half=HALF)
    cell = 2 * HALF / 6
    assert volume(mesh) == pytest.approx(int(grid.sum()) * cell**3)
    padded = np.pad(grid.numpy(), 1).astype(int)
    bare = sum(np.abs(np.diff(padded, axis=axis)).sum() for axis in range(3))
    assert area(mesh) == pytest.approx(bare * cell**2)
    assert (edge_uses(mesh)[1] % 2 == 0).all()


def test_points_of_the_surface_lie_between_a_cell_inside_and_one_outside(generator):
    grid = some_grid()
    cloud = sample_faces(grid, 400, half=HALF, generator=generator)
    points, normals = (torch.from_numpy(x).float() for x in (cloud.points, cloud.normals))
    step = 0.02
    assert in_grid(grid, points - step * normals, half=HALF).all()
    assert not in_grid(grid, points + step * normals, half=HALF).any()
    one = torch.zeros(5, 5, 5, dtype=torch.bool)
    one[2, 2, 2] = True
    cube = sample_faces(one, 3000, half=HALF, generator=generator)
    shares = [(cube.normals[:, k] * s > 0).mean() for k in range(3) for s in (1, -1)]
    np.testing.assert_allclose(shares, 1 / 6, atol=0.03)


def test_distances_are_those_between_centres_less_half_a_cell():
    grid = some_grid(5)
    found = distance_grid(grid.numpy(), half=HALF, reach=1.0)
    margin = (found.shape[0] - 5) // 2
    assert HALF * found.shape[0] / 5 >= 1.0
    places = np.argwhere(np.ones_like(found, bool)) - margin
    within = ((places >= 0) & (places < 5)).all(axis=1)
    solid = np.zeros(len(places), bool)
    solid[within] = grid.numpy()[tuple(places[within].T)]
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    nearest = np.where(solid[:, None] != solid[None], apart, np.inf).min(axis=1)
    expected = np.where(solid, -1, 1) * (nearest - 0.5) * 2 * HALF / 5
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-6)


def test_distances_of_a_ball_are_right_to_a_cell():
    side, radius = 32, 0.5
    ball = centres(side, half=HALF).norm(dim=1).view(side, side, side) < radius
    values = torch.from_numpy(distance_grid(ball.numpy(), half=HALF, reach=1.0))
    points = (torch.rand(2000, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1) * 0.9
    found = interpolated(values, points, half=HALF * values.shape[0] / side)
    assert float((found - (points.norm(dim=1) - radius)).abs().max()) < 2 * HALF / side


def test_trilinear_values_of_an_affine_function_are_exact(generator):
    slope = torch.tensor([1.0, -2.0, 0.5])
    values = (centres(7, half=HALF) @ slope).view(7, 7, 7)
    points = (torch.rand(4, 25, 3, generator=generator) * 2 - 1) * HALF * 6 / 7
    torch.testing.assert_close(interpolated(values, points, half=HALF), points @ slope)


def test_a_coarser_cell_is_true_where_any_of_its_cells_is():
    grid = some_grid(6, share=0.1)
    coarse = coarsened(grid, 2)
    for x, y, z in np.ndindex(3, 3, 3):
        part = grid[2 * x : 2 * x + 2, 2 * y : 2 * y + 2, 2 * z : 2 * z + 2]
        assert bool(coarse[x, y, z]) == bool(part.any())
    assert torch.equal(coarsened(refined(grid, 3), 3), grid)
