"""Roots of functions whose roots are known, and that nothing is overstepped."""

from __future__ import annotations

import math

import pytest
import torch

from rayfield.core.check import RayfieldError
from rayfield.math import csg, sdf
from rayfield.math.roots import bisection, secant, sphere_trace

LOW, HIGH = torch.zeros(40).double(), torch.ones(40).double()
ROOTS = torch.linspace(0.01, 0.99, 40).double()


def found_by_secant(function, steps):
    ends = function(LOW), function(HIGH)
    return secant(function, LOW, HIGH, values=ends, steps=steps)


@pytest.mark.parametrize("slope", [3.0, -0.2])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_the_secant_is_exact_for_affine_functions(slope, steps):
    torch.testing.assert_close(found_by_secant(lambda t: slope * (t - ROOTS), steps), ROOTS)


def test_the_secant_is_faster_than_bisection_on_curved_functions():
    def curved(t):
        return torch.exp(5 * t) - torch.exp(5 * ROOTS)

    errors = [(found_by_secant(curved, n) - ROOTS).abs().max() for n in (4, 8, 12)]
    assert errors[1] < 1e-3
    assert errors[2] < 1e-7
    halved = bisection(curved, LOW, HIGH, steps=12)
    assert errors[2] < (halved - ROOTS).abs().max() < 2**-13 + 1e-12


@pytest.mark.parametrize("sign", [1, -1])
def test_jumps_are_narrowed_down_within_their_brackets(sign):
    def jump(t):
        return sign * torch.where(t < ROOTS, -3.0, 0.5).double()

    assert (found_by_secant(jump, 60) - ROOTS).abs().max() < 1e-6
    assert (bisection(jump, LOW, HIGH, steps=30) - ROOTS).abs().max() < 1e-9


def test_ends_that_are_roots_are_found():
    found = found_by_secant(lambda t: t - LOW, 3)
    assert torch.equal(found, LOW)
    assert torch.equal(found_by_secant(lambda t: HIGH - t, 3), HIGH)


def test_brackets_without_a_change_of_sign_are_refused():
    with pytest.raises(RayfieldError, match="40 of 40 brackets have values of one sign"):
        bisection(lambda t: t + 1, LOW, HIGH, steps=3)
    with pytest.raises(RayfieldError, match="brackets have values of one sign"):
        found_by_secant(lambda t: t + 1, 3)


def rays(generator, n=500):
    origins = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator).double()) * 3
    to = torch.randn(n, 3, generator=generator).double() * 0.5
    return origins, torch.nn.functional.normalize(to - origins)


def test_sphere_tracing_finds_the_depth_of_the_quadratic_formula(generator):
    o, d = rays(generator)
    radius = 0.8
    zero, far = torch.zeros(len(o)).double(), torch.full((len(o),), 10.0).double()
    found, hit = sphere_trace(
        lambda t: sdf.sphere(o + t[:, None] * d, radius), zero, far, steps=200, close=1e-9
    )
    along = (o * d).sum(1)
    inner = along**2 - (o * o).sum(1) + radius**2
    clear = inner.abs() > 1e-2  # not grazing, which takes steps without end
    assert torch.equal(hit[clear], (inner > 0)[clear])
    both = hit & clear
    assert 100 < both.sum() < 490
    expected = -along - inner.clamp(min=0).sqrt()
    torch.testing.assert_close(found[both], expected[both], atol=1e-6, rtol=0)
    assert (found[~hit & clear] == 10).all()


def test_sphere_tracing_never_steps_past_the_first_zero(generator):
    """Of a bound of the distance as well: a difference of two shapes. Compared with small steps."""
    o, d = rays(generator, 60)

    def shape(t):
        p = o + t[..., None] * d
        return csg.difference(sdf.box(p, (0.6, 0.6, 0.6)), sdf.sphere(p, 0.75))

    zero, far = torch.zeros(60).double(), torch.full((60,), 6.0).double()
    march = torch.linspace(0, 6, 4001).double()[:, None].expand(-1, 60)
    negative = shape(march) < 0
    first = torch.where(negative.any(0), march[negative.int().argmax(0), 0], math.inf)
    for steps in (1, 3, 10, 100):
        found, _ = sphere_trace(shape, zero, far, steps=steps, close=1e-6)
        assert (found <= first).all()
    assert torch.isfinite(first).sum() > 10
