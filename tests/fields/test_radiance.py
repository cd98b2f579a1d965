"""The readable radiance field: what depends on what, and the cap on density."""

from __future__ import annotations

import math

import pytest
import torch

from rayfield.fields.hashgrid import HashGrid
from rayfield.fields.radiance import GEOMETRY, RadianceField
from rayfield.kernels.radiance import LOG_DENSITY_MAX, LOG_DENSITY_START


def field_of(generator: torch.Generator, *, scale: float = 1.0) -> RadianceField:
    grid = HashGrid(levels=4, features=4, entries=1 << 9, base=2, finest=60, generator=generator)
    field = RadianceField(grid, 24, generator=generator)
    with torch.no_grad():
        grid.table.copy_(scale * torch.randn(grid.table.shape, generator=generator))
    return field


def directions(n: int, generator: torch.Generator) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(n, 3, generator=generator))


def raw_of(log_density: torch.Tensor) -> torch.Tensor:
    """Outputs of the density network whose first is `log_density` before the start's offset."""
    first = (log_density - LOG_DENSITY_START)[:, None]
    return torch.nn.functional.pad(first, (0, GEOMETRY - 1))


def test_size_is_that_of_the_table_and_five_matrices(generator):
    field = field_of(generator)
    matrices = 16 * 24 + 24 * 16 + 32 * 24 + 24 * 24 + 24 * 3
    assert sum(p.numel() for p in field.parameters()) == field.grid.table.numel() + matrices
    assert len(field.matrices()) == 5


def test_colour_depends_on_direction_and_density_does_not(generator):
    field, points = field_of(generator), torch.rand(200, 3, generator=generator)
    seen = [directions(200, generator) for _ in range(2)]
    sigma, color = [], []
    for d in seen:
        geometry = field.geometry(points)
        sigma.append(field.density(geometry))
        color.append(field.color(geometry, d))
    assert torch.equal(*sigma)
    assert (color[0] - color[1]).abs().amax(-1).min() > 0


def test_direction_gets_a_gradient_from_colour_alone(generator):
    field, points = field_of(generator), torch.rand(20, 3, generator=generator)
    d = directions(20, generator).requires_grad_()
    geometry = field.geometry(points)
    (gradient,) = torch.autograd.grad(field.color(geometry, d).sum(), d, retain_graph=True)
    assert (gradient != 0).any(-1).all()
    nothing = torch.autograd.grad(field.density(geometry).sum(), d, allow_unused=True)
    assert nothing == (None,)


def test_values_are_in_range(generator):
    field, points = field_of(generator, scale=100.0), torch.rand(500, 3, generator=generator)
    geometry = field.geometry(points)
    color, sigma = field.color(geometry, directions(500, generator)), field.density(geometry)
    assert ((color >= 0) & (color <= 1)).all()
    assert (sigma >= 0).all()
    assert sigma.max() <= math.exp(LOG_DENSITY_MAX) * (1 + 1e-5)
    assert torch.isfinite(sigma).all()


def test_an_untrained_field_is_a_thin_grey_fog(generator):
    field = field_of(generator, scale=1e-4)
    geometry = field.geometry(torch.rand(100, 3, generator=generator))
    fog = torch.full((100,), math.exp(LOG_DENSITY_START))
    torch.testing.assert_close(field.density(geometry), fog, rtol=1e-2, atol=0)


def test_density_below_the_cap_is_the_exponential_and_its_own_derivative():
    log_density = torch.linspace(-20, 14.9, 50, dtype=torch.float64, requires_grad=True)
    sigma = RadianceField.density(None, raw_of(log_density))
    torch.testing.assert_close(sigma, log_density.exp())
    (slope,) = torch.autograd.grad(sigma.sum(), log_density)
    torch.testing.assert_close(slope, sigma)


def test_density_past_the_cap_stays_there_and_keeps_its_gradient():
    log_density = torch.tensor([15.0, 16.0, 200.0], dtype=torch.float64, requires_grad=True)
    sigma = RadianceField.density(None, raw_of(log_density))
    cap = torch.full((3,), math.exp(LOG_DENSITY_MAX), dtype=torch.float64)
    torch.testing.assert_close(sigma, cap)
    (slope,) = torch.autograd.grad(sigma.sum(), log_density)
    torch.testing.assert_close(slope, cap)


@pytest.mark.parametrize("output", ["density", "color"])
def test_gradients_to_points_are_those_of_finite_differences(output, generator):
    field = field_of(generator).double()
    points = torch.rand(2, 3, generator=generator, dtype=torch.float64).requires_grad_()
    d = directions(2, generator).double()

    def value(x: torch.Tensor) -> torch.Tensor:
        geometry = field.geometry(x)
        return field.density(geometry) if output == "density" else field.color(geometry, d)

    assert torch.autograd.gradcheck(value, points, eps=1e-7, atol=1e-4, rtol=1e-4)


def test_the_compiled_form_follows_a_table_that_was_replaced(generator):
    field = field_of(generator)
    before = field.compiled()
    assert field.compiled() is before
    field.grid.table = torch.nn.Parameter(field.grid.table.detach().clone())
    after = field.compiled()
    assert after is not before
    assert after.table is field.grid.table


def test_the_compiled_form_takes_the_active_levels(generator):
    field = field_of(generator)
    field.grid.active = 2
    assert len(field.compiled().levels.resolution) == 2


def test_a_field_in_double_precision_runs_the_readable_form(generator):
    assert field_of(generator).double().compiled() is None
