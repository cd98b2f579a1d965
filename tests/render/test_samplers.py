"""Sampling along rays against the released formulas and closed forms."""

from __future__ import annotations

import pytest
import torch

from rayfield.core.check import RayfieldError
from rayfield.math import quadrature
from rayfield.render import samplers

NEAR, FAR = torch.tensor([0.5, 2.0, 1.0]), torch.tensor([1.5, 6.0, 9.0])


def bins(t):
    """Each place's room: up to the middles between it and its neighbours."""
    between = 0.5 * (t[:, 1:] + t[:, :-1])
    return torch.cat([t[:, :1], between], -1), torch.cat([between, t[:, -1:]], -1)


@pytest.mark.parametrize("sampler", [samplers.stratified, samplers.disparity])
def test_places_run_from_near_to_far_inclusive(sampler):
    t = sampler(NEAR, FAR, 11)
    torch.testing.assert_close(t[:, 0], NEAR)
    torch.testing.assert_close(t[:, -1], FAR)
    assert (t.diff(dim=-1) > 0).all()


def test_places_are_equally_spaced_without_generator():
    t = samplers.stratified(NEAR, FAR, 64)
    step = ((FAR - NEAR) / 63)[:, None].expand(3, 63)
    torch.testing.assert_close(t.diff(dim=-1), step, rtol=1e-4, atol=1e-6)


def test_disparity_is_equally_spaced_without_shift_and_nearly_linear_with_a_large_one():
    inverse = 1 / samplers.disparity(NEAR, FAR, 9)
    torch.testing.assert_close(
        inverse.diff(dim=-1), inverse.diff(dim=-1).mean(-1, keepdim=True).expand(3, 8)
    )
    shifted = samplers.disparity(NEAR.double(), FAR.double(), 9, shift=1e5)
    torch.testing.assert_close(
        shifted, samplers.stratified(NEAR.double(), FAR.double(), 9), rtol=1e-3, atol=0
    )


def test_disparity_reaches_a_far_end_of_a_million_in_float32():
    t = samplers.disparity(torch.tensor([0.05]), torch.tensor([1e6]), 64, shift=1.0)
    assert (t.diff(dim=-1) > 0).all()
    assert t[0, -1] == 1e6
    assert ((t < 1).sum() - 32).abs() <= 2  # half of the places within the cameras' distance


@pytest.mark.parametrize("sampler", [samplers.stratified, samplers.disparity])
def test_jittered_places_stay_in_their_rooms_and_in_order(sampler, generator):
    lower, upper = bins(sampler(NEAR, FAR, 16))
    for _ in range(20):
        t = sampler(NEAR, FAR, 16, generator=generator)
        assert ((t >= lower) & (t <= upper)).all()
        assert (t.diff(dim=-1) >= 0).all()


def test_the_mean_of_many_draws_is_the_centre_of_each_room(generator):
    near, far = torch.zeros(40_000), torch.ones(40_000)
    t = samplers.stratified(near, far, 5, generator=generator)
    lower, upper = bins(samplers.stratified(near[:1], far[:1], 5))
    standard_error = (upper - lower)[0] / 12**0.5 / 200
    assert ((t.mean(0) - 0.5 * (lower + upper)[0]).abs() < 4 * standard_error).all()


def test_rooms_at_the_ends_are_half_as_wide():
    lower, upper = bins(samplers.stratified(NEAR, FAR, 9))
    width = upper - lower
    torch.testing.assert_close(2 * width[:, 0], width[:, 1])
    torch.testing.assert_close(2 * width[:, -1], width[:, 1])


def test_the_union_is_sorted_and_holds_the_first_places(generator):
    t = samplers.stratified(NEAR, FAR, 16, generator=generator)
    w = torch.rand(3, 16, generator=generator)
    union = samplers.fine(t, w, 24, generator=generator)
    assert union.shape == (3, 40)
    assert (union.diff(dim=-1) >= 0).all()
    for ray in range(3):
        assert set(t[ray].tolist()) <= set(union[ray].tolist())


def test_fine_places_fall_where_the_weight_is():
    """All weight on place 5 of 0 ... 10: its bin runs from 4.5 to 5.5."""
    t = torch.arange(11.0)[None]
    w = torch.zeros(1, 11)
    w[0, 5] = 1.0
    union = samplers.fine(t, w, 100)[0]
    assert ((union >= 4.5) & (union <= 5.5)).sum() >= 99


def test_the_first_and_last_weight_draw_nothing():
    """As in the released code: 63 midpoints make 62 bins for 64 weights."""
    t = torch.arange(11.0)[None]
    inner = torch.zeros(1, 11)
    inner[0, 5] = 1.0
    both = inner.clone()
    both[0, [0, -1]] = 50.0
    torch.testing.assert_close(samplers.fine(t, both, 20), samplers.fine(t, inner, 20))


def test_places_carry_no_gradient(generator):
    t = samplers.stratified(NEAR, FAR, 8)
    w = torch.rand(3, 8, generator=generator, requires_grad=True)
    assert not samplers.fine(t, w, 8).requires_grad


def test_a_filled_ray_has_one_opacity_whatever_the_places(generator):
    sigma = 0.7
    exact = 1 - torch.exp(-sigma * (FAR - NEAR))
    first = samplers.stratified(NEAR, FAR, 8)
    union = samplers.fine(first, torch.rand(3, 8, generator=generator), 16)
    for t in (first, union):
        edges = torch.cat([t, FAR[:, None]], -1)
        w = quadrature.weights(torch.full_like(t, sigma), edges.diff(dim=-1))
        torch.testing.assert_close(w.sum(-1), exact)


@pytest.mark.parametrize("sampler", [samplers.stratified, samplers.disparity])
def test_near_beyond_far_is_refused_in_one_line(sampler):
    with pytest.raises(RayfieldError, match=r"1 of 3 rays .*ray 1: near 7, far 6") as error:
        sampler(torch.tensor([0.5, 7.0, 1.0]), FAR, 8)
    assert "\n" not in str(error.value)
