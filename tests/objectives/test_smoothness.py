from __future__ import annotations

import torch

from rayfield.objectives.smoothness import bending, laplacian, total_variation

RING = torch.tensor([[i, (i + 1) % 8] for i in range(8)])


def by_hand(vertices, edges):
    total = 0.0
    for v in range(len(vertices)):
        near = [b if a == v else a for a, b in edges.tolist() if v in (a, b)]
        if near:
            total = total + (vertices[v] - vertices[near].mean(0)).square().sum()
    return total


def test_f5_laplacian_energy_is_that_of_the_definition(generator):
    vertices = torch.randn(9, 3, generator=generator)  # the last has no edge
    edges = torch.cat([RING, torch.tensor([[0, 4], [2, 5]])])
    torch.testing.assert_close(laplacian(vertices, edges), by_hand(vertices, edges))


def test_f5_it_is_zero_only_where_every_vertex_is_its_neighbours_mean(generator):
    line = torch.linspace(0, 1, 5)[:, None] * torch.tensor([[1.0, 2.0, -1.0]])
    edges = torch.tensor([[0, 1], [1, 2], [2, 3], [3, 4]])
    inner = laplacian(line, edges) - by_hand(line[[0, 1]], edges[:1])
    torch.testing.assert_close(inner, torch.tensor(0.0), rtol=0, atol=1e-6)  # the ends alone count
    assert laplacian(torch.full((8, 3), 0.3), RING) < 1e-12
    assert laplacian(torch.randn(8, 3, generator=generator), RING) > 0.1


def test_f5_it_does_not_change_with_a_shift(generator):
    vertices = torch.randn(8, 3, generator=generator)
    shifted = vertices + torch.tensor([3.0, -1.0, 2.0])
    torch.testing.assert_close(laplacian(shifted, RING), laplacian(vertices, RING))


def test_f10_total_variation_is_zero_for_a_constant_and_the_squared_slope_of_a_ramp():
    assert total_variation(torch.full((4, 5, 6, 2), 0.7)) == 0
    ramp = torch.arange(6.0)[:, None, None, None].expand(6, 4, 4, 1)
    torch.testing.assert_close(total_variation(2 * ramp), torch.tensor(4.0 / 3))


def test_bending_is_zero_for_affine_grids_and_the_squared_second_difference_else():
    axis = torch.arange(5.0)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    assert bending((2 * x - y + 3 * z + 1)[..., None]) < 1e-10
    torch.testing.assert_close(bending((x * x)[..., None]), torch.tensor(4.0 / 3))
