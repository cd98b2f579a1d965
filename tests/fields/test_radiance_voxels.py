from __future__ import annotations

import pytest
import torch

from rayfield.fields.radiance_voxels import RadianceVoxels


def test_f8_density_is_softplus_of_raw_and_shift_over_a_voxel(generator):
    model = RadianceVoxels(4, 1, alpha=0.01)
    length = 2 / 8  # of a voxel at the last stage
    opacity = -torch.expm1(-model.density(torch.zeros(3)) * length)
    torch.testing.assert_close(opacity, torch.full((3,), 0.01))
    raw = torch.randn(50, generator=generator)
    expected = 1 - torch.exp(-torch.nn.functional.softplus(raw + model.shift))
    torch.testing.assert_close(-torch.expm1(-model.density(raw) * length), expected)


def test_activation_comes_after_interpolation():
    model = RadianceVoxels(1, 0, alpha=0.5)
    with torch.no_grad():
        model.voxels.lattice()[1, :, :, 0] = 20.0
    sigma, rgb = model.field(torch.zeros(1, 3))
    torch.testing.assert_close(sigma, model.density(torch.tensor([10.0])))
    torch.testing.assert_close(rgb, torch.full((1, 3), 0.5))


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_only_cells_with_a_dense_corner_are_worth_asking(stage, generator):
    model = RadianceVoxels(4, 2, alpha=1e-6)
    model.voxels.grow(stage)
    with torch.no_grad():
        model.voxels.lattice()[-1, -1, -1, 0] = 200.0
    model.look(1e-3)
    points = torch.rand(3000, 3, generator=generator) * 2 - 1
    dense = -torch.expm1(-model.field(points)[0] * model.unit) >= 1e-3
    worth = model.worth(points)
    assert dense.any()
    assert worth[dense].all()
    assert worth.float().mean() < 0.05
    model.look(0.0)
    assert model.worth(points).all()
