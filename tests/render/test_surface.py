"""First hits of exact and of inexact distances, and how they depend on the field."""

from __future__ import annotations

import pytest
import torch

from rayfield.core.types import Rays
from rayfield.math import csg, sdf
from rayfield.render import surface
from rayfield.render.surface import Tracing, first_hits, moving, nearest, shift

F64 = torch.float64
RADIUS = 0.6
CENTRE = torch.tensor([0.1, -0.2, 0.15], dtype=F64)


def rays_of(origins, directions, near=0.0, far=6.0):
    n = len(origins)
    ends = torch.full((n,), near, dtype=F64), torch.full((n,), far, dtype=F64)
    return Rays(origins, directions, *ends, torch.full((n,), -1))


def rays(generator, n=600, distance=3.0):
    origins = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator, dtype=F64))
    to = 0.5 * torch.randn(n, 3, generator=generator, dtype=F64)
    return rays_of(origins * distance, torch.nn.functional.normalize(to - origins * distance))


def ball(points, radius=RADIUS, centre=CENTRE):
    return (points - centre).norm(dim=-1) - radius


def analytic(r, radius=RADIUS):
    """Depth of the first entry by the quadratic formula, and how clear of a tangent the ray is."""
    offset = r.origins - CENTRE
    along = (offset * r.directions).sum(-1)
    inner = along**2 - (offset * offset).sum(-1) + radius**2
    return -along - inner.clamp(min=0).sqrt(), inner


@pytest.mark.parametrize(
    ("field", "slack"),
    [
        (ball, 1.0),
        (lambda p: 0.4 * ball(p), 1.0),
        (lambda p: 1.2 * ball(p), 1.0),
        (lambda p: 5 * ball(p), 5.0),
        (lambda p: torch.tanh(4 * ball(p)), 2.0),
    ],
    ids=["exact", "too short", "overstepping", "five times too long", "curved"],
)
def test_hits_of_a_sphere_are_those_of_the_quadratic_formula(field, slack, generator):
    """Also of fields that are no distances: of their zero set."""
    r = rays(generator)
    found = first_hits(field, r, Tracing(slack=slack))
    depth, inner = analytic(r)
    clear = inner.abs() > 1e-2  # what grazes may count either way
    assert torch.equal(found.hit[clear], (inner > 0)[clear])
    both = found.hit & clear
    assert 100 < both.sum() < 590
    torch.testing.assert_close(found.t[both], depth[both], atol=2e-4, rtol=0)
    assert (found.t[~found.hit] == 6).all()
    assert (found.asked > 0).all()


def test_what_grazes_within_the_tolerance_hits(generator):
    for gap, hits in ((0.5e-5, True), (-1e-3, True), (1e-3, False)):
        origin = CENTRE + torch.tensor([-3.0, RADIUS + gap, 0.0], dtype=F64)
        r = rays_of(origin[None], torch.tensor([[1.0, 0, 0]], dtype=F64))
        found = first_hits(ball, r, Tracing(steps=400))
        assert bool(found.hit) == hits
        if hits:
            assert float(found.t) == pytest.approx(3, abs=0.05)


def hollow(p):
    """A ball with a round hollow and a slit: rays may enter, leave and enter again."""
    shell = csg.difference(sdf.sphere(p, 0.8), sdf.sphere(p, 0.6))
    return csg.difference(shell, sdf.box(p, (0.1, 2.0, 2.0)))


@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_hits_of_composed_shapes_are_the_first_of_many_small_steps(factor, generator):
    r = rays(generator, 200)
    march = torch.linspace(0, 6, 6001, dtype=F64)
    points = r.origins[:, None] + march[:, None] * r.directions[:, None]
    negative = hollow(points) < 0
    hit, first = negative.any(1), march[negative.int().argmax(1)]
    found = first_hits(lambda p: factor * hollow(p), r, Tracing(samples=400, slack=factor))
    agree = found.hit == hit
    assert agree.double().mean() > 0.98  # rays that pass a corner within a step
    both = found.hit & hit
    close = (found.t - first).abs()[both] < 2e-3
    assert close.double().mean() > 0.98
    assert both.sum() > 50


def test_a_ray_that_starts_inside_has_to_leave_before_it_enters(generator):
    r = rays(generator, 100, distance=0.7)
    within = hollow(r.origins) < -0.02
    assert within.sum() > 20
    found = first_hits(hollow, r)
    assert (found.t[found.hit & within] > 0.02).all()
    centre = rays_of(CENTRE.expand(5, 3), r.directions[:5])
    assert not first_hits(ball, centre).hit.any()


def test_rays_without_length_and_no_rays_hit_nothing(generator):
    r = rays(generator, 4)
    nothing = first_hits(ball, r._replace(near=r.far))
    assert not nothing.hit.any()
    assert nothing.asked.sum() == 0
    none = Rays(*(x[:0] for x in r))
    assert len(first_hits(ball, none).t) == 0
    behind = first_hits(ball, r._replace(far=torch.full_like(r.far, 0.5)))
    assert not behind.hit.any()


def test_the_nearest_place_of_a_miss_is_where_the_distance_is_least(generator):
    r = rays(generator, 50)
    t = nearest(ball, r, 2001)
    torch.testing.assert_close(t, ((CENTRE - r.origins) * r.directions).sum(-1), atol=2e-3, rtol=0)


def seen(r, radius, centre):
    """Colours of a sphere painted with a pattern, from its parameters, as IDR differentiates."""
    with torch.no_grad():
        found = first_hits(lambda p: ball(p, radius, centre), r)
        points = r.origins + found.t[:, None] * r.directions

    def paint(p):
        return torch.stack([torch.sin(3 * p[:, 0]), torch.cos(2 * p[:, 1]), p[:, 2]], dim=1)

    value = ball(points, radius, centre)
    slope = ((points - centre) / radius * r.directions).sum(-1)
    h = 1e-5
    ahead, before = paint(points + h * r.directions), paint(points - h * r.directions)
    return moving(paint(points), shift(value, slope), (ahead - before) / (2 * h)), found.hit


def test_derivatives_of_depth_and_colour_are_those_of_finite_differences(generator):
    r = rays(generator, 300)
    _, inner = analytic(r)
    r = Rays(*(x[inner > 0.1] for x in r))
    radius = torch.tensor(RADIUS, dtype=F64, requires_grad=True)
    centre = CENTRE.clone().requires_grad_()
    weights = torch.randn(len(r.near), 3, generator=generator, dtype=F64)

    def total(radius, centre):
        color, hit = seen(r, radius, centre)
        assert hit.all()
        return (weights * color).sum()

    slopes = torch.autograd.grad(total(radius, centre), (radius, centre))
    h = 1e-3
    with torch.no_grad():
        by_radius = (total(radius + h, centre) - total(radius - h, centre)) / (2 * h)
        steps = torch.eye(3, dtype=F64) * h
        by_centre = [
            (total(radius, centre + s) - total(radius, centre - s)) / (2 * h) for s in steps
        ]
    torch.testing.assert_close(slopes[0], by_radius, rtol=5e-3, atol=0.05)
    torch.testing.assert_close(slopes[1], torch.stack(by_centre), rtol=5e-3, atol=0.05)


def test_a_shift_is_zero_and_its_slope_bounded():
    value = torch.tensor([0.3, -0.2], requires_grad=True)
    moved = shift(value, torch.tensor([-0.5, -1e-6]))
    assert (moved == 0).all()
    (slope,) = torch.autograd.grad(moved.sum(), value)
    torch.testing.assert_close(slope, torch.tensor([2.0, 20.0]))


def test_a_view_shows_the_first_surface_or_the_background(generator):
    r = rays(generator, 200)
    out = surface.render(
        ball, lambda p, d: (p - CENTRE) / RADIUS, r, background=torch.tensor([9.0, 8.0, 7.0])
    )
    depth, inner = analytic(r)
    sure = inner > 1e-2
    normal = (r.origins + depth[:, None] * r.directions - CENTRE) / RADIUS
    torch.testing.assert_close(out.color[sure], normal[sure], atol=1e-3, rtol=0)
    torch.testing.assert_close(out.depth[sure], depth[sure], atol=2e-4, rtol=0)
    missed = inner < -1e-2
    assert (out.color[missed] == torch.tensor([9.0, 8.0, 7.0], dtype=F64)).all()
    assert (out.depth[missed] == 0).all()
    assert torch.equal(out.opacity, (out.depth > 0).to(F64))
