from __future__ import annotations

import math

import torch
from torch import Tensor

from rayfield.fields.hashgrid import HashGrid
from rayfield.fields.sdf_grid import SDFGrid, rounded_relu
from rayfield.kernels.sdf import KNEE


def made(width: int = 16) -> SDFGrid:
    generator = torch.Generator().manual_seed(0)
    grid = HashGrid(levels=4, features=4, entries=1 << 12, base=4, finest=16, generator=generator)
    return SDFGrid(grid, width, radius=0.3, features=2, generator=generator)


def points(count: int = 500) -> Tensor:
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(1))


def test_untrained_field_is_the_distance_to_a_sphere():
    x = points()
    away = x - 0.5
    found = made()(x)
    torch.testing.assert_close(found.value, away.norm(dim=1) - 0.3, rtol=0, atol=1e-3)
    assert float((found.gradient.detach() * away / away.norm(dim=1)[:, None]).sum(1).min()) > 0.98


def test_distance_is_the_value_without_a_graph():
    field, x = made(), points()
    alone = field.distance(x)
    assert not alone.requires_grad
    torch.testing.assert_close(alone, field(x).value.detach(), rtol=0, atol=1e-6)


def test_centre_of_the_sphere_is_finite():
    found = made()(torch.full((1, 3), 0.5))
    assert all(bool(torch.isfinite(x).all()) for x in found)


def test_widths_that_the_kernels_do_not_serve_run_in_the_readable_form():
    field, x = made(width=12), points()
    assert not field.compiled()
    found = field(x)
    found.gradient.square().sum().backward()
    assert field.grid.table.grad is not None
    torch.testing.assert_close(field.distance(x), found.value.detach())


def test_rounded_relu_is_a_relu_with_a_continuous_slope():
    x = torch.linspace(-3 * KNEE, 3 * KNEE, 601, dtype=torch.double).requires_grad_()
    y = rounded_relu(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    far = x.detach().abs() > KNEE
    torch.testing.assert_close(y.detach()[far], x.detach().clamp_min(0)[far] - KNEE / 4)
    assert float((y.detach() - x.detach().clamp_min(0)).max()) <= 1e-12
    assert abs(float(rounded_relu(torch.zeros(1)))) < 1e-8
    assert float(slope.diff().abs().max()) < 0.01 / (2 * KNEE) * KNEE * 2


def test_a_plane_is_learned_from_its_normals_alone():
    field = made()
    normal = torch.tensor([1.0, 2.0, -2.0]) / 3
    optimiser, x = torch.optim.Adam(field.parameters(), lr=1e-2), points(2000)
    for _ in range(120):
        optimiser.zero_grad()
        (field(x).gradient - normal).square().sum(1).mean().backward()
        optimiser.step()
    slope = field.distance(x) - x @ normal  # equal up to a constant
    start = x.sub(0.5).norm(dim=1) - x @ normal
    assert float(slope.std()) < 0.15 * float(start.std())
    assert math.isfinite(float(slope.std()))
