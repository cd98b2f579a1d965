"""Lattices of cell centres."""

from __future__ import annotations

import pytest
import torch

from rayfield.math.lattice import extent_of, lattice


def test_points_are_cell_centres_with_the_last_axis_fastest():
    points = lattice((2, 3))
    assert points.shape == (6, 2)
    torch.testing.assert_close(points[:3, 1], torch.tensor([1 / 6, 0.5, 5 / 6]))
    torch.testing.assert_close(points[:3, 0], torch.full((3,), 0.25))
    torch.testing.assert_close(points[3:, 0], torch.full((3,), 0.75))


@pytest.mark.parametrize("sizes", [(5,), (4, 6), (3, 2, 5)])
def test_the_mean_of_all_points_is_the_middle_of_the_box(sizes):
    extent = extent_of(sizes)
    middle = torch.tensor(extent) / 2
    torch.testing.assert_close(lattice(sizes, extent).mean(dim=0), middle)


def test_cells_are_square_and_the_longest_side_is_one():
    sizes = (4, 8)
    points = lattice(sizes, extent_of(sizes)).reshape(4, 8, 2)
    down, across = points[1, 0] - points[0, 0], points[0, 1] - points[0, 0]
    torch.testing.assert_close(down, torch.tensor([1 / 8, 0]))
    torch.testing.assert_close(across, torch.tensor([0, 1 / 8]))
    assert points.max() < 1


def test_a_finer_lattice_averages_to_the_coarse_one():
    coarse, fine = lattice((3, 5), (0.6, 1.0)), lattice((6, 10), (0.6, 1.0))
    blocks = fine.reshape(3, 2, 5, 2, 2).mean(dim=(1, 3)).reshape(-1, 2)
    torch.testing.assert_close(blocks, coarse)
