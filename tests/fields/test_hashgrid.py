"""The readable hash encoding: layout of the tables and gradients."""

from __future__ import annotations

import pytest
import torch

from rayfield.fields.hashgrid import HashGrid

SIZES = [
    {"levels": 8, "features": 4, "entries": 1 << 12, "base": 16, "finest": 1024},
    {"levels": 16, "features": 2, "entries": 1 << 10, "base": 16, "finest": 2048},
    {"levels": 1, "features": 4, "entries": 1 << 9, "base": 7, "finest": 7},
    {"levels": 5, "features": 1, "entries": 1, "base": 2, "finest": 32},
]


def small(generator: torch.Generator) -> HashGrid:
    """Two dense and two hashed levels, entries of the order of one, double precision."""
    grid = HashGrid(
        levels=4, features=3, entries=1 << 9, base=2, finest=60, generator=generator
    ).double()
    with torch.no_grad():
        grid.table.normal_(generator=generator)
    assert grid.dense == [True, True, False, False]
    return grid


@pytest.mark.parametrize("size", SIZES)
def test_a_level_has_one_row_per_corner_or_a_table_of_entries(size):
    grid = HashGrid(**size)
    rows = [min((n + 1) ** 3, size["entries"]) for n in grid.resolutions]
    assert grid.table.numel() == sum(rows) * size["features"]
    assert grid.sizes == rows
    assert grid.dense == [(n + 1) ** 3 <= size["entries"] for n in grid.resolutions]
    assert len(grid(torch.rand(5, 3))[0]) == size["levels"] * size["features"]


@pytest.mark.parametrize("size", SIZES)
def test_resolutions_grow_geometrically_from_base_to_finest(size):
    resolutions = HashGrid(**size).resolutions
    last = size["levels"] - 1
    assert resolutions[0] == size["base"]
    assert resolutions[-1] == size["finest"]
    for level, n in enumerate(resolutions[1:], 1):
        exact = size["base"] * (size["finest"] / size["base"]) ** (level / last)
        assert exact - 1 - 1e-5 < n <= exact + 1e-5


def test_entries_start_uniform_and_small_and_by_the_generator():
    tables = [
        HashGrid(**SIZES[0], generator=torch.Generator().manual_seed(seed)).table.detach()
        for seed in (0, 0, 1)
    ]
    assert torch.equal(tables[0], tables[1])
    assert not torch.equal(tables[0], tables[2])
    assert tables[0].abs().max() <= 1e-4
    assert tables[0].abs().mean() == pytest.approx(5e-5, rel=0.02)
    assert abs(tables[0].mean()) < 1e-6


@pytest.mark.parametrize("entries", [0, 3, 1000, -8])
def test_tables_must_be_powers_of_two(entries):
    with pytest.raises(ValueError, match=f"power of two, got {entries}"):
        HashGrid(levels=2, features=4, entries=entries, base=4, finest=8)


def test_rows_of_dense_corners_are_all_different(generator):
    grid = small(generator)
    for level in (0, 1):
        n = grid.resolutions[level]
        rows = grid.rows(level, torch.cartesian_prod(*[torch.arange(n + 1)] * 3))
        start = grid.starts[level]
        assert sorted(rows.tolist()) == list(range(start, start + (n + 1) ** 3))


def test_rows_of_hashed_corners_are_the_papers_hash(generator):
    """Eq. 4: the exclusive or of the coordinates times pi_1 = 1, pi_2, pi_3, modulo T."""
    grid = small(generator)
    for x, y, z in [(0, 0, 0), (1, 2, 3), (59, 60, 17), (60, 60, 60)]:
        expected = (x ^ (y * 2654435761) ^ (z * 805459861)) % grid.sizes[3]
        assert grid.rows(3, torch.tensor([[x, y, z]])).item() == grid.starts[3] + expected


def test_gradients_to_points_and_table_are_those_of_finite_differences(generator):
    grid = small(generator)
    points = torch.rand(6, 3, generator=generator, dtype=torch.float64).requires_grad_()
    scaled = points.detach()[:, :, None] * torch.tensor(grid.resolutions)
    assert (scaled - scaled.round()).abs().min() > 1e-4  # no kink nearby
    assert torch.autograd.gradcheck(grid, points, eps=1e-7, atol=1e-4)
    assert torch.autograd.gradcheck(
        lambda table: torch.func.functional_call(grid, {"table": table}, points.detach()),
        grid.table.detach().clone().requires_grad_(),
        fast_mode=True,
    )


def test_encoding_is_continuous_across_cells(generator):
    grid = small(generator)
    wall = torch.rand(50, 3, generator=generator, dtype=torch.float64)
    finest = grid.resolutions[-1]
    wall[:, 0] = torch.randint(1, finest, (50,), generator=generator) / finest
    step = torch.tensor([1e-9, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(grid(wall - step), grid(wall + step), rtol=0, atol=1e-5)


def test_levels_that_are_not_active_give_zeros_and_get_no_gradient(generator):
    grid, points = small(generator), torch.rand(40, 3, generator=generator).double()
    full = grid(points).detach()
    grid.active = 2
    features = grid(points)
    assert torch.equal(features[:, :6], full[:, :6])
    assert (features[:, 6:] == 0).all()
    features.sum().backward()
    assert (grid.table.grad[grid.starts[2] :] == 0).all()
    assert (grid.table.grad[: grid.starts[2]] != 0).any()
    assert len(grid.levels().resolution) == 2
