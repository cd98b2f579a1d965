"""A field's surface where rays meet it: values, and derivatives against finite differences."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from rayfield.core.types import Rays
from rayfield.fields.hashgrid import HashGrid
from rayfield.fields.surface import SurfaceField
from rayfield.fields.surface_network import SurfaceNetwork
from rayfield.math.rays import ray_box, ray_sphere
from rayfield.render import meeting
from rayfield.render.surface import Tracing

RADIUS = 0.6
TRACING = Tracing(steps=40, close=1e-6, samples=200)
FINE = Tracing(steps=40, close=1e-12, samples=100)  # in double precision


@pytest.fixture
def field(generator):
    """Nearly a sphere, with colours that change from place to place."""
    grid = HashGrid(levels=2, features=4, entries=1 << 12, base=2, finest=4, generator=generator)
    field = SurfaceField(grid, 16, radius=RADIUS / 2, generator=generator)
    with torch.no_grad():
        grid.table.normal_(0, 0.1, generator=generator)
    return field


def some_rays(n=400, spread=0.5):
    generator = torch.Generator().manual_seed(1)
    origins = 3 * normalize(torch.randn(n, 3, generator=generator))
    directions = normalize(spread * torch.randn(n, 3, generator=generator) - origins)
    near, far = ray_box(origins, directions)
    return Rays(origins, directions, near, far, torch.zeros(n, dtype=torch.long))


def within(rays):
    """Those that pass through the cube."""
    return Rays(*(x[rays.near < rays.far] for x in rays))


def met(field, rays, wanted):
    generator = torch.Generator().manual_seed(0)
    tracing = FINE if rays.near.dtype == torch.float64 else TRACING
    return meeting.meet(field, rays, wanted, tracing=tracing, places=64, generator=generator)


def test_a_sphere_is_met_where_it_is(generator):
    grid = HashGrid(levels=4, features=4, entries=1 << 12, base=4, finest=16, generator=generator)
    field, rays = (
        SurfaceField(grid, 16, radius=RADIUS / 2, generator=generator),
        within(some_rays()),
    )
    found = met(field, rays, torch.ones(len(rays.near), dtype=torch.bool))
    near, far = ray_sphere(rays.origins, rays.directions, radius=RADIUS)
    sure = ((far - near) > 0.1) | (far == near)
    assert torch.equal(found.hit[sure], (far > near)[sure])
    assert found.value[found.hit].abs().max() < 1e-4
    closest = -(rays.origins * rays.directions).sum(-1)
    closest = torch.minimum(torch.maximum(closest, rays.near), rays.far)[:, None]
    gap = (rays.origins + closest * rays.directions).norm(dim=-1) - RADIUS
    missed = sure & ~found.hit
    torch.testing.assert_close(found.value[missed], gap[missed], atol=5e-3, rtol=0)
    view = meeting.see(field, rays, tracing=TRACING, background=torch.ones(3))
    deep = (far - near) > 0.3
    assert (view.depth - near)[deep].abs().max() < 2e-3
    assert torch.equal(view.opacity > 0.5, found.hit)
    torch.testing.assert_close(view.color[found.hit], found.color, atol=1e-4, rtol=0)


def test_only_wanted_rays_have_colours(field):
    rays = within(some_rays())
    wanted = torch.arange(len(rays.near)) < 100
    found = met(field, rays, wanted)
    assert len(found.color) == int((found.hit & wanted).sum()) > 0


@pytest.mark.parametrize("which", ["table", "hidden", "colour"])
def test_derivatives_of_colours_are_those_of_finite_differences(field, which, generator):
    """Surfaces move, turn and change their code with the field: all of it counts.

    About: normals jump between cells, of which derivatives know nothing.
    """
    parameter = {
        "table": field.sdf.grid.table,
        "hidden": field.sdf.mlp.matrices[0],
        "colour": field.color_mlp.matrices[0],
    }[which]
    found, expected = both_derivatives(field, parameter, generator)
    assert found == pytest.approx(expected, rel=0.12)


@pytest.mark.parametrize("which", ["bias", "hidden", "colour"])
def test_derivatives_of_colours_of_a_network_are_those_of_finite_differences(which, generator):
    """Its colours also know the place, which moves with the surface."""
    field = SurfaceNetwork(64, 3, 1, radius=RADIUS / 2, generator=generator).double()
    parameter = {
        "bias": field.geometry.layers[-1].bias,
        "hidden": field.geometry.layers[1].parametrizations.weight.original1,
        "colour": field.color_layers[0].parametrizations.weight.original1,
    }[which]
    found, expected = both_derivatives(field, parameter, generator, step=1e-6)
    assert found == pytest.approx(expected, rel=0.02)


def both_derivatives(field, parameter, generator, *, step=2e-4):
    """Of a sum of colours along a direction of a parameter: by differences, and as computed."""
    rays = some_rays(200, spread=0.1)  # nearly head-on
    rays = Rays(*(x.to(parameter.dtype) for x in rays[:4]), rays.image)
    wanted = torch.ones(200, dtype=torch.bool)
    start = parameter.detach().clone()
    towards = torch.randn(start.shape, generator=generator).to(start)
    weights = torch.randn(200, 3, generator=generator).to(start)

    def total():
        found = met(field, rays, wanted)
        assert found.hit.all()
        return (weights * found.color).sum()

    total().backward()
    expected = float((parameter.grad * towards).sum())
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            parameter.copy_(start + sign * step * towards)
            values.append(float(total()))
    return (values[0] - values[1]) / (2 * step), expected


def test_no_rays_and_rays_that_miss_everything(field):
    rays = some_rays(8)
    away = rays._replace(directions=-rays.directions, near=rays.far * 0, far=rays.far * 0)
    none = Rays(*(x[:0] for x in rays))
    assert len(met(field, none, torch.ones(0, dtype=torch.bool)).hit) == 0
    for some in (away, none):
        view = meeting.see(field, some, tracing=TRACING, background=torch.ones(3))
        assert (view.color == 1).all()
        assert view.color.shape == (len(some.near), 3)
