from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from rayfield.fields.voxels import Voxels, around, doubled, interpolate, shift_of


def cube_points(n, generator):
    return torch.rand(n, 3, generator=generator) * 2 - 1


def nodes(side):
    axis = torch.linspace(-1, 1, side + 1)
    return torch.cartesian_prod(axis, axis, axis)


@pytest.mark.parametrize("learned", [False, True])
def test_values_and_gradients_are_those_of_torch_on_a_dense_grid(learned, generator):
    """The twin: grid_sample, whose last axis is x."""
    table = torch.randn(6**3, 2, generator=generator, requires_grad=True)
    points = (1.2 * cube_points(200, generator)).requires_grad_(learned)
    dense = table.view(6, 6, 6, 2).permute(3, 0, 1, 2)[None]
    place = points.flip(1).view(1, 1, 1, -1, 3)
    twin = functional.grid_sample(dense, place, align_corners=True, padding_mode="border")[0]
    twin = twin.reshape(2, -1).T
    found = interpolate(table, 5, points)
    torch.testing.assert_close(found, twin, rtol=1e-4, atol=1e-5)
    mix = torch.randn(200, 2, generator=generator)
    inputs = [table, points] if learned else [table]
    ours, theirs = (torch.autograd.grad((mix * x).sum(), inputs) for x in (found, twin))
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_f6_weights_add_up_to_one_and_affine_fields_are_reproduced(generator):
    points = cube_points(300, generator)
    ones = interpolate(torch.ones(5**3, 1), 4, points)
    torch.testing.assert_close(ones, torch.ones(300, 1))
    matrix, shift = torch.randn(3, 2, generator=generator), torch.randn(2, generator=generator)
    found = interpolate(nodes(4) @ matrix + shift, 4, points)
    torch.testing.assert_close(found, points @ matrix + shift, rtol=1e-4, atol=1e-5)


def test_f6_a_doubled_lattice_is_the_same_function(generator):
    voxels = Voxels(4, 2, 3)
    with torch.no_grad():
        voxels.table.copy_(torch.randn(5**3, 3, generator=generator))
    points = cube_points(300, generator)
    before, old = voxels(points), voxels.lattice().clone()
    assert voxels.grow(1)
    assert voxels.side == 8
    torch.testing.assert_close(voxels.lattice()[::2, ::2, ::2], old)
    torch.testing.assert_close(voxels(points), before, rtol=1e-4, atol=1e-5)
    assert voxels.grow(2)
    assert not voxels.grow(1)
    assert voxels.side == 16
    torch.testing.assert_close(voxels(points), before, rtol=1e-4, atol=1e-5)
    assert doubled(old).shape == (9, 9, 9, 3)


def test_each_stage_learns_its_own_table_and_the_stage_is_saved():
    voxels = Voxels(2, 1, 1)
    for stage in (0, 1):
        voxels.grow(stage)
        for table in voxels.tables:
            table.grad = None
        voxels(torch.zeros(1, 3)).sum().backward()
        assert [table.grad is not None for table in voxels.tables] == [stage == 0, stage == 1]
    other = Voxels(2, 1, 1)
    other.load_state_dict(voxels.state_dict())
    assert other.side == 4


@pytest.mark.parametrize("alpha", [1e-6, 1e-2, 0.5])
def test_f8_raw_zero_has_the_opacity_asked_for(alpha):
    depth = math.log1p(math.exp(shift_of(alpha)))
    assert math.isclose(-math.expm1(-depth), alpha, rel_tol=1e-9)


def test_a_start_around_a_sphere_is_its_signed_distance(generator):
    points = cube_points(200, generator)
    found = around(Voxels(32, 1, 1), 0.6)(points)[:, 0]
    torch.testing.assert_close(found, points.norm(dim=1) - 0.6, rtol=0, atol=0.02)
