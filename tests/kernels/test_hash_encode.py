"""The compiled hash encoding against its readable twin, and against closed forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from rayfield.fields.hashgrid import HashGrid
from rayfield.kernels.hash_encode import GROUP, encode, scatter

LAYOUTS = {
    "dense": {"levels": 3, "entries": 1 << 12, "base": 3, "finest": 12},
    "hashed": {"levels": 3, "entries": 1 << 5, "base": 16, "finest": 500},
    "both": {"levels": 7, "entries": 1 << 9, "base": 2, "finest": 200},
}
FACES = torch.tensor(list(itertools.product([0.0, 0.5, 1.0], repeat=3)))


def random_grid(layout: str, generator: torch.Generator) -> HashGrid:
    """A grid whose entries are large and representable in half precision."""
    grid = HashGrid(features=4, **LAYOUTS[layout], generator=generator)
    with torch.no_grad():
        grid.table.copy_(torch.randn(grid.table.shape, generator=generator).half().float())
    return grid


def encoded(grid: HashGrid, points: torch.Tensor) -> torch.Tensor:
    """The kernel's features of all points, one row beyond each end left alone."""
    table = grid.table.detach().half().view(torch.int16).numpy()
    rows, last = with_storage(points), len(points) + 1
    out = np.full((len(rows), 4 * len(grid.resolutions)), 55, np.float32)
    encode(table, grid.levels(), rows, 1, last, out)
    assert (out[0] == 55).all()
    assert (out[last:] == 55).all()
    return torch.from_numpy(out[1:last])


def with_storage(points: torch.Tensor) -> np.ndarray:
    """The points from row 1 on; what the last group reads beyond them is not a number."""
    return torch.nn.functional.pad(points, (0, 0, 1, GROUP), value=torch.nan).numpy()


def scattered(grid: HashGrid, points: torch.Tensor, reverse: torch.Tensor) -> torch.Tensor:
    gradient = np.zeros(grid.table.shape, np.float32)
    rows, last = with_storage(points), len(points) + 1
    padded = torch.nn.functional.pad(reverse, (0, 0, 1, GROUP), value=torch.nan).numpy()
    for level in range(grid.active):
        scatter(gradient, grid.levels(), level, rows, 1, last, padded)
    return torch.from_numpy(gradient)


def random_points(generator: torch.Generator) -> torch.Tensor:
    return torch.cat([torch.rand(500, 3, generator=generator), FACES])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_encode_equals_the_readable_encoding(layout, generator):
    grid, points = random_grid(layout, generator), random_points(generator)
    torch.testing.assert_close(encoded(grid, points), grid(points).detach(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_scatter_equals_automatic_differentiation(layout, generator):
    grid, points = random_grid(layout, generator), random_points(generator)
    reverse = torch.randn(len(points), 4 * len(grid.resolutions), generator=generator)
    grid(points).backward(reverse)
    torch.testing.assert_close(
        scattered(grid, points, reverse), grid.table.grad, rtol=1e-5, atol=2e-5
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_scatter_adds_to_what_is_there(layout, generator):
    grid, points = random_grid(layout, generator), random_points(generator)
    reverse = torch.randn(len(points), 4 * len(grid.resolutions), generator=generator)
    twice = scattered(grid, torch.cat([points, points]), torch.cat([reverse, reverse]))
    once = scattered(grid, points, reverse)
    torch.testing.assert_close(twice, 2 * once, rtol=1e-5, atol=5e-5)


def test_dense_levels_reproduce_affine_functions(generator):
    grid = random_grid("dense", generator)
    assert all(grid.dense)
    slope = torch.tensor([[3.0, -2, 1, 0], [1, 4, 0, 0], [-1, 2, 5, 0]])  # [axis, feature]
    offset = torch.tensor([1.0, -7, 0, 2])
    expected, points = [], random_points(generator)
    for level, n in enumerate(grid.resolutions):
        # integers are exact in half precision
        corner = torch.cartesian_prod(*[torch.arange(n + 1)] * 3).flip(-1)
        with torch.no_grad():
            grid.table[grid.rows(level, corner)] = corner.float() @ slope + offset
        expected.append(points * n @ slope + offset)
    wanted = torch.cat(expected, -1)
    torch.testing.assert_close(encoded(grid, points), wanted, rtol=0, atol=5e-5)
    torch.testing.assert_close(grid(points).detach(), wanted, rtol=0, atol=5e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_of_a_point_sum_to_one(layout, generator):
    grid, points = random_grid(layout, generator), random_points(generator)
    with torch.no_grad():
        grid.table.fill_(1.0)
    ones = torch.ones(len(points), 4 * len(grid.resolutions))
    torch.testing.assert_close(encoded(grid, points), ones, rtol=0, atol=1e-6)
    gradient = scattered(grid, points, ones)
    for start, size in zip(grid.starts, grid.sizes, strict=True):
        total = gradient[start : start + size].double().sum(0)
        expected = torch.full((4,), float(len(points)), dtype=torch.float64)
        torch.testing.assert_close(total, expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_corners_of_the_cube_read_their_own_entry(layout, generator):
    grid = random_grid(layout, generator)
    corners = torch.cartesian_prod(*[torch.arange(2)] * 3)
    features = encoded(grid, corners.float())
    for level, n in enumerate(grid.resolutions):
        entry = grid.table.detach()[grid.rows(level, corners * n)]
        torch.testing.assert_close(features[:, 4 * level : 4 * level + 4], entry, rtol=0, atol=0)


@pytest.mark.parametrize("active", [0, 1, 4])
def test_levels_that_are_not_active_read_zero_and_do_not_learn(active, generator):
    grid, points = random_grid("both", generator), random_points(generator)
    everything = encoded(grid, points)
    grid.active = active
    features = encoded(grid, points)
    assert torch.equal(features[:, : 4 * active], everything[:, : 4 * active])
    assert (features[:, 4 * active :] == 0).all()
    torch.testing.assert_close(features, grid(points).detach(), rtol=0, atol=1e-5)
    gradient = scattered(grid, points, torch.ones_like(features))
    assert (gradient[grid.starts[active] :] == 0).all()
    assert active == 0 or gradient[: grid.starts[active]].abs().sum() > 0


def test_points_just_outside_stay_in_the_nearest_cell(generator):
    grid = random_grid("both", generator)
    points = torch.tensor([[-1e-6, 0.5, 0.5], [1 + 1e-6, 0.5, 0.5], [0.3, 1 + 1e-6, -1e-6]])
    nearest = encoded(grid, points.clamp(0, 1))
    torch.testing.assert_close(encoded(grid, points), nearest, rtol=0, atol=5e-3)
