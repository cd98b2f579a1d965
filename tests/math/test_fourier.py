"""Encodings by sines and cosines: sizes, order, periods, kernels."""

from __future__ import annotations

import math

import pytest
import torch

from rayfield.math.fourier import (
    axis_frequencies,
    fourier_features,
    gaussian_frequencies,
    positional_encoding,
)


@pytest.mark.parametrize(("bands", "count"), [(10, 63), (4, 27)])
def test_nerf_encodes_a_point_as_63_and_a_direction_as_27_values(bands, count):
    assert positional_encoding(torch.zeros(5, 3), bands).shape == (5, count)


def test_without_identity_there_are_two_values_a_band_and_coordinate():
    assert positional_encoding(torch.zeros(2, 7, 3), 6, identity=False).shape == (2, 7, 36)
    assert positional_encoding(torch.zeros(4, 2), 0).shape == (4, 2)


def test_values_come_in_the_order_of_the_authors_code():
    x = torch.tensor([[0.3, -0.7]], dtype=torch.float64)
    expected = [x]
    for factor in (1, 2, 4):
        expected += [torch.sin(factor * x), torch.cos(factor * x)]
    assert torch.equal(positional_encoding(x, 3), torch.cat(expected, dim=-1))


def test_with_pi_the_points_minus_one_and_one_cannot_be_told_apart():
    ends = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    low, high = positional_encoding(ends, 8, identity=False, with_pi=True)
    torch.testing.assert_close(low, high, rtol=0, atol=1e-12)


def test_without_pi_the_points_minus_one_and_one_differ():
    ends = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    low, high = positional_encoding(ends, 8, identity=False)
    assert (low - high).abs().max() > 1


def test_with_pi_the_period_is_two_and_every_band_halves_it(generator):
    x = torch.rand(50, 3, generator=generator, dtype=torch.float64)
    here, there = (positional_encoding(p, 6, identity=False, with_pi=True) for p in (x, x + 2))
    torch.testing.assert_close(here, there, rtol=0, atol=1e-10)
    band = 4
    shifted = positional_encoding(x + 2 / 2**band, 6, identity=False, with_pi=True)
    torch.testing.assert_close(here[:, 6 * band :], shifted[:, 6 * band :], rtol=0, atol=1e-10)
    assert (here - shifted)[:, : 6 * band].abs().max() > 0.1


def test_the_lectures_encoding_is_fourier_features_at_half_powers_of_two(generator):
    x = torch.rand(20, 1, generator=generator, dtype=torch.float64)
    lecture = positional_encoding(x, 5, identity=False, with_pi=True)
    half_powers = 2.0 ** (torch.arange(5, dtype=torch.float64) - 1)[:, None]
    cosine, sine = fourier_features(x, half_powers).split(5, dim=-1)
    torch.testing.assert_close(lecture[:, 0::2], sine)
    torch.testing.assert_close(lecture[:, 1::2], cosine)


def test_products_of_features_depend_on_the_difference_alone(generator):
    frequencies = gaussian_frequencies(40, 2, 3.0, generator=generator).double()
    x, y, shift = (torch.rand(30, 2, generator=generator, dtype=torch.float64) for _ in range(3))
    here = (fourier_features(x, frequencies) * fourier_features(y, frequencies)).sum(-1)
    moved = [fourier_features(p + shift, frequencies) for p in (x, y)]
    torch.testing.assert_close((moved[0] * moved[1]).sum(-1), here)


def test_features_have_the_same_norm_everywhere(generator):
    frequencies = gaussian_frequencies(17, 3, 10.0, generator=generator).double()
    x = 5 * torch.randn(100, 3, generator=generator, dtype=torch.float64)
    norms = fourier_features(x, frequencies).square().sum(-1)
    torch.testing.assert_close(norms, torch.full_like(norms, 17.0))


def test_the_mean_kernel_of_gaussian_frequencies_is_a_gaussian(generator):
    """E cos(2 pi b.d) = exp(-2 pi^2 scale^2 |d|^2), within four standard errors."""
    scale, count = 0.7, 200_000
    frequencies = gaussian_frequencies(count, 2, scale, generator=generator).double()
    for d in ([0.0, 0.0], [0.1, 0.05], [-0.2, 0.15], [0.3, 0.3]):
        difference = torch.tensor([d], dtype=torch.float64)
        waves = torch.cos(2 * math.pi * frequencies @ difference.T)
        expected = math.exp(-2 * math.pi**2 * scale**2 * float(difference.square().sum()))
        error = float(waves.std()) / math.sqrt(count)
        assert abs(float(waves.mean()) - expected) <= 4 * error + 1e-12


def test_gaussian_frequencies_have_the_scale_asked_for(generator):
    drawn = gaussian_frequencies(50_000, 2, 12.0, generator=generator)
    assert drawn.shape == (50_000, 2)
    assert float(drawn.std()) == pytest.approx(12.0, rel=0.02)


def test_axis_frequencies_rise_from_one_to_below_two_to_the_scale_along_each_axis():
    found = axis_frequencies(4, 2, 6.0)
    assert found.shape == (8, 2)
    assert ((found != 0).sum(dim=1) == 1).all()
    expected = 2 ** (6.0 * torch.arange(4) / 4)
    torch.testing.assert_close(found[:4, 0], expected)
    torch.testing.assert_close(found[4:, 1], expected)


def test_gradient_of_the_features_is_that_of_the_formula(generator):
    frequencies = gaussian_frequencies(6, 2, 1.0, generator=generator).double()
    x = torch.rand(3, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: fourier_features(p, frequencies), (x,))
    assert torch.autograd.gradcheck(lambda p: positional_encoding(p, 3, with_pi=True), (x,))
