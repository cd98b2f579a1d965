"""Dense volume rendering against the closed forms of homogeneous, layered and smooth media."""

from __future__ import annotations

import math

import pytest
import torch

from rayfield.core.types import Rays
from rayfield.math import quadrature
from rayfield.render import samplers, volume

GREY = torch.tensor([[0.2, 0.4, 0.6]], dtype=torch.float64)


def rays(n=3, *, length=4.0, speed=1.0):
    """Rays along +x from the origin, side by side in y."""
    origins = torch.zeros(n, 3, dtype=torch.float64)
    origins[:, 1] = torch.arange(n)
    directions = torch.tensor([[speed, 0.0, 0.0]], dtype=torch.float64).expand(n, 3)
    far = torch.full((n,), length / speed, dtype=torch.float64)
    return Rays(origins, directions, torch.zeros_like(far), far, torch.full((n,), -1))


def field(sigma, rgb=lambda x: torch.tensor([1.0, 0.5, 0.25]).to(x).expand_as(x)):
    """A field from functions of position: its points serve as features."""

    def density(points):
        found = sigma(points)
        live = found.nonzero()[:, 0]
        return found, live, points[live]

    return density, lambda features, ray: rgb(features)


def seen(sigma, t, cast, *, background=GREY, infinite=False, **colors):
    cells = volume.straight(cast, t, infinite=infinite)
    return volume.render(*field(sigma, **colors), cells, background=background)


def uniform(cast, n, generator=None):
    return samplers.stratified(cast.near, cast.far, n, generator=generator)


def slab(value, start=0.0, end=math.inf):
    return lambda x: value * ((x[:, 0] >= start) & (x[:, 0] < end)).to(x)


@pytest.mark.parametrize("n", [2, 7, 64])
def test_a_slab_has_its_opacity_whatever_the_places(n, generator):
    cast = rays()
    t = uniform(cast, n, generator)
    t[:, 0] = 0.0
    out = seen(slab(0.7), t, cast)
    exact = 1 - math.exp(-0.7 * 4)
    torch.testing.assert_close(out.opacity, torch.full((3,), exact, dtype=torch.float64))
    wanted = exact * torch.tensor([1.0, 0.5, 0.25]).double() + (1 - exact) * GREY[0]
    torch.testing.assert_close(out.color, wanted.expand(3, 3))


def test_two_slabs_hide_each_other_in_order():
    cast = rays()
    t = uniform(cast, 401)[:, :-1]  # cells of 0.01
    colors = {"rgb": lambda x: torch.where(x[:, :1] < 2, 1.0, 0.25).to(x).expand_as(x)}
    density = lambda x: slab(1.3, 0.5, 1.5)(x) + slab(2.1, 2.5, 3.0)(x)  # noqa: E731
    out = seen(density, t + 1e-9, cast, **colors)
    a, b = 1 - math.exp(-1.3), 1 - math.exp(-2.1 * 0.5)
    exact = a * 1.0 + (1 - a) * b * 0.25 + (1 - a) * (1 - b) * GREY[0]
    torch.testing.assert_close(out.color, exact.expand(3, 3), atol=1e-6, rtol=0)


def test_an_empty_ray_is_background_of_no_depth_and_no_gradient():
    cast = rays()
    out = seen(slab(0.0), uniform(cast, 8), cast)
    assert torch.equal(out.color, GREY.expand(3, 3))
    for value in (out.opacity, out.depth, out.median):
        assert torch.equal(value, torch.zeros(3, dtype=torch.float64))


def test_one_background_each_shows_by_what_opacity_leaves(generator):
    cast = rays()
    t = uniform(cast, 16, generator)
    each = torch.rand(3, 3, generator=generator, dtype=torch.float64)
    black, over = (seen(slab(0.2), t, cast, background=b) for b in (0 * each, each))
    torch.testing.assert_close(over.color - black.color, (1 - black.opacity)[:, None] * each)


def test_expected_and_median_depth_of_a_slab_converge_to_the_closed_forms():
    sigma, length = 1.1, 4.0
    cast = rays(1, length=length)
    mean = 1 / sigma - length / math.expm1(sigma * length)
    errors = []
    for n in (101, 201, 401):
        out = seen(slab(sigma), uniform(cast, n)[:, :-1], cast)
        errors.append(abs(float(out.depth) - mean))
        assert float(out.median) == pytest.approx(math.log(2) / sigma, abs=1e-9)
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)  # cells begin at their samples
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize(
    ("sigma", "tau"),
    [
        (lambda x: 2 * torch.exp(-1.5 * x[:, 0]), 2 / 1.5 * (1 - math.exp(-6))),
        (lambda x: 0.4 * x[:, 0], 0.2 * 16),
        (
            lambda x: 1.2 * torch.exp(-((x[:, 0] - 2) ** 2) / (2 * 0.3**2)),
            1.2 * 0.3 * math.sqrt(2 * math.pi),
        ),
    ],
    ids=["exponential", "ramp", "Gaussian"],
)
def test_smooth_media_have_their_opacity(sigma, tau):
    cast = rays(1)
    out = seen(sigma, uniform(cast, 4001)[:, :-1], cast)
    assert float(out.opacity) == pytest.approx(1 - math.exp(-tau), abs=1e-3)


def test_a_ball_has_the_radial_profile_of_its_chords():
    radius, sigma = 0.8, 1.7
    cast = rays(4)
    offsets = torch.tensor([0.0, 0.3, 0.7, 0.9], dtype=torch.float64)
    cast = cast._replace(origins=torch.stack([offsets * 0, offsets, offsets * 0], -1))
    centre = torch.tensor([2.0, 0, 0], dtype=torch.float64)
    inside = lambda x: sigma * ((x - centre).norm(dim=-1) < radius).to(x)  # noqa: E731
    out = seen(inside, uniform(cast, 8001)[:, :-1], cast)
    chord = 2 * (radius**2 - offsets**2).clamp_min(0).sqrt()
    torch.testing.assert_close(out.opacity, 1 - torch.exp(-sigma * chord), atol=1e-3, rtol=0)


def test_lengths_are_those_of_the_direction(generator):
    """Twice the direction and half the parameter show the same; density keeps its meaning."""
    fast, slow = rays(speed=2.0), rays()
    t = uniform(slow, 16, generator)
    one, other = seen(slab(0.3), t, slow), seen(slab(0.3), t / 2, fast)
    torch.testing.assert_close(one.color, other.color)
    torch.testing.assert_close(one.depth, 2 * other.depth)


def test_an_infinite_last_cell_makes_any_density_there_a_wall():
    cast = rays()
    t = uniform(cast, 8)
    finite, infinite = (seen(slab(1e-3), t, cast, infinite=i) for i in (False, True))
    assert (finite.opacity < 0.01).all()
    torch.testing.assert_close(infinite.opacity, torch.ones(3, dtype=torch.float64))
    empty = seen(slab(1e-3, 0, 3.9), t, cast, infinite=True)
    assert (empty.opacity < 0.01).all()


def test_gradients_are_those_of_the_closed_form(generator):
    """dC/d sigma_k = delta_k T_{k+1} (c_k - R_k), R_k what lies behind with the background."""
    cast = rays(1)
    t = uniform(cast, 6)
    sigma = torch.rand(6, generator=generator, dtype=torch.float64).requires_grad_()
    rgb = torch.rand(6, 3, generator=generator, dtype=torch.float64)
    density = lambda points: (sigma, torch.arange(6), points)  # noqa: E731
    out = volume.render(
        density, lambda features, ray: rgb, volume.straight(cast, t), background=GREY
    )
    (found,) = torch.autograd.grad(out.color[0, 0], sigma)
    delta = torch.cat([t[0], cast.far]).diff()
    T = quadrature.transmittance(sigma.detach(), delta)
    w = out.weights.detach()[0]
    for k in range(6):
        behind = (w[k + 1 :] @ rgb[k + 1 :] + T[-1] * GREY[0])[0]
        wanted = delta[k] * (T[k + 1] * rgb[k, 0] - behind)
        assert found[k].item() == pytest.approx(wanted.item(), abs=1e-12)


def test_contracted_lengths_add_up_to_the_contracted_ray():
    """Straight out from the centre the ball of radius 2 is 2 long, however far the ray goes."""
    cast = rays(1, length=1e6)
    t = samplers.disparity(cast.near, cast.far, 50, shift=1.0)
    cells = volume.contracted(cast, t)
    lengths = cells.speed * cells.edges.diff(dim=-1)
    assert float(lengths.sum()) == pytest.approx(2, abs=1e-5)
    assert cells.points.norm(dim=-1).max() <= 2
    near = cells.edges[:, 1:] <= 1
    torch.testing.assert_close(cells.speed[near], torch.ones_like(cells.speed[near]))


def test_normals_of_a_ball_point_outwards(generator):
    points = torch.randn(20, 3, generator=generator)
    soft = lambda x: torch.sigmoid(5 * (1 - x.norm(dim=-1)))  # noqa: E731
    found = volume.normals(soft, points)
    torch.testing.assert_close(found, torch.nn.functional.normalize(points), atol=1e-5, rtol=0)
    with torch.no_grad():
        assert torch.equal(volume.normals(soft, points), found)


def test_there_is_no_normal_where_density_is_constant():
    points = torch.zeros(2, 3)
    assert torch.equal(volume.normals(lambda x: 0 * x.sum(-1) + 3, points), points)
