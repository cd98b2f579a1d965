"""Combined solids: signs as of sets, distances where they are exact, smooth joints."""

from __future__ import annotations

import pytest
import torch

from rayfield.core.check import UsageError
from rayfield.math import csg, sdf


def disc(p):
    return sdf.sphere(p, 0.6)


def bar(p):
    return sdf.box(p - torch.tensor([0.5, 0.2]).to(p), (0.5, 0.25))


@pytest.fixture
def points(generator):
    return (torch.rand(3000, 2, generator=generator).double() - 0.5) * 4


def test_signs_are_those_of_the_sets(points):
    a, b = disc(points), bar(points)
    in_a, in_b = a < 0, b < 0
    assert torch.equal(csg.union(a, b) < 0, in_a | in_b)
    assert torch.equal(csg.intersection(a, b) < 0, in_a & in_b)
    assert torch.equal(csg.difference(a, b) < 0, in_a & ~in_b)
    assert torch.equal(csg.complement(a) < 0, ~in_a)


def outline(n=20000):
    """Points on the borders of both, 1e-4 apart."""
    angle = torch.linspace(0, 2 * torch.pi, n, dtype=torch.float64)
    circle = 0.6 * torch.stack([angle.cos(), angle.sin()], dim=1)
    t = torch.linspace(-1, 1, n // 4, dtype=torch.float64)
    one = torch.ones_like(t)
    sides = [torch.stack([t * 0.5, side * 0.25 * one], dim=1) for side in (-1, 1)]
    sides += [torch.stack([side * 0.5 * one, t * 0.25], dim=1) for side in (-1, 1)]
    return circle, torch.cat(sides) + torch.tensor([0.5, 0.2])


@pytest.mark.parametrize(
    ("combine", "kept", "exact"),
    [
        (csg.union, lambda a, b: (a >= -1e-9, b >= -1e-9), lambda d: d > 0),
        (csg.intersection, lambda a, b: (a <= 1e-9, b <= 1e-9), lambda d: d < 0),
    ],
)
def test_the_distance_is_exact_on_one_side_and_a_bound_on_the_other(combine, kept, exact, points):
    """The union's outside, the intersection's inside: against all points of the true border."""
    circle, bars = outline()
    on_circle, on_bar = kept(bar(circle), disc(bars))
    border = torch.cat([circle[on_circle], bars[on_bar]])
    points = points[:400]
    found = combine(disc(points), bar(points))
    nearest = torch.cdist(points, border).amin(dim=1)
    there = exact(found)
    torch.testing.assert_close(found[there].abs(), nearest[there], atol=1e-5, rtol=0)
    assert (found.abs() <= nearest + 1e-9).all()
    assert (found.abs() < nearest - 1e-3)[~there].any()


def test_combinations_never_change_faster_than_their_points(points):
    shifted = points + 0.3 * torch.randn(points.shape, generator=torch.Generator().manual_seed(1))
    for combine in (csg.union, csg.intersection, csg.difference):
        change = combine(disc(points), bar(points)) - combine(disc(shifted), bar(shifted))
        assert (change.abs() <= (points - shifted).norm(dim=1) + 1e-12).all()


WIDTH = 0.4


@pytest.fixture
def pairs(generator):
    return torch.randn(2, 5000, generator=generator).double() * 0.5


def test_the_smooth_union_is_below_the_plain_one_by_a_quarter_of_its_width_at_most(pairs):
    a, b = pairs
    below = csg.union(a, b) - csg.smooth_union(a, b, width=WIDTH)
    assert below.min() >= -1e-12
    assert below.max() <= WIDTH / 4 + 1e-12
    equal = csg.smooth_union(a, a, width=WIDTH)
    torch.testing.assert_close(a - equal, torch.full_like(a, WIDTH / 4))


def test_the_smooth_union_is_the_plain_one_where_the_values_differ_by_its_width(pairs):
    a, b = pairs
    apart = (a - b).abs() >= WIDTH
    assert 500 < apart.sum() < 4500
    found = csg.smooth_union(a, b, width=WIDTH)
    torch.testing.assert_close(found[apart], csg.union(a, b)[apart], atol=1e-14, rtol=1e-14)
    assert (found < csg.union(a, b))[~apart].all()


def test_the_smooth_union_is_symmetric(pairs):
    a, b = pairs
    one, other = (csg.smooth_union(*x, width=WIDTH) for x in ((a, b), (b, a)))
    torch.testing.assert_close(one, other)


def test_the_smooth_union_has_continuous_derivatives():
    """Along a path through both ends of the blend no slope jumps; the plain one's does."""
    t = torch.linspace(-1, 1, 4001, dtype=torch.float64, requires_grad=True)
    jumps = []
    for values in (csg.smooth_union(t, -t, width=WIDTH), csg.union(t, -t)):
        (slope,) = torch.autograd.grad(values.sum(), t)
        jumps.append(float(slope.diff().abs().max()))
    assert jumps[0] < 0.01 < 1 <= jumps[1]


def test_smooth_intersection_and_difference_mirror_the_union(pairs):
    a, b = pairs
    both = csg.smooth_intersection(a, b, width=WIDTH)
    assert (both >= csg.intersection(a, b) - 1e-12).all()
    torch.testing.assert_close(both, -csg.smooth_union(-a, -b, width=WIDTH))
    torch.testing.assert_close(
        csg.smooth_difference(a, b, width=WIDTH), csg.smooth_intersection(a, -b, width=WIDTH)
    )


def test_a_blend_without_width_is_refused():
    with pytest.raises(UsageError, match="width 0"):
        csg.smooth_union(torch.zeros(1), torch.zeros(1), width=0.0)
