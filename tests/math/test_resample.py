"""Lanczos downsampling against the formula of the released code, and what it must keep."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rayfield.math.resample import consistent, downsample, lanczos_kernel

FACTORS = (2, 3, 4, 8)


def published_kernel(factor: int) -> np.ndarray:
    """The 2-D kernel of width 4 factor + 1 at phase 0.5, entry by entry."""
    width, support = 4 * factor + 1, 2
    kernel = np.zeros((width - 1, width - 1))
    centre = (width + 1) / 2
    for i in range(1, width):
        for j in range(1, width):
            value = 1.0
            for d in (abs(i + 0.5 - centre) / factor, abs(j + 0.5 - centre) / factor):
                x = math.pi * d
                value *= support * math.sin(x) * math.sin(x / support) / x**2
            kernel[i - 1, j - 1] = value
    return kernel / kernel.sum()


@pytest.mark.parametrize("factor", FACTORS)
def test_kernel_is_symmetric_and_sums_to_one(factor):
    kernel = lanczos_kernel(factor)
    assert len(kernel) == 4 * factor + factor % 2
    assert kernel.sum().item() == pytest.approx(1, abs=1e-6)
    assert torch.equal(kernel, kernel.flip(0))


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_kernel_of_an_even_factor_is_the_published_one(factor):
    kernel = lanczos_kernel(factor).double()
    np.testing.assert_allclose(torch.outer(kernel, kernel), published_kernel(factor), atol=1e-8)


def test_downsampling_is_the_sum_over_the_window_with_repeated_borders():
    image = torch.rand(2, 12, 16, generator=torch.Generator().manual_seed(0))
    kernel = lanczos_kernel(4)
    small = downsample(image, 4)
    assert small.shape == (2, 3, 4)
    for channel, row, column in [(0, 0, 0), (0, 1, 2), (1, 2, 3)]:
        total = 0.0
        for a in range(16):
            for b in range(16):
                y = min(max(4 * row - 6 + a, 0), 11)
                x = min(max(4 * column - 6 + b, 0), 15)
                total += float(kernel[a] * kernel[b] * image[channel, y, x])
        assert small[channel, row, column].item() == pytest.approx(total, abs=1e-6)


@pytest.mark.parametrize("factor", FACTORS)
def test_a_constant_stays_what_it_is(factor):
    small = downsample(torch.full((1, 3, 5 * factor, 4 * factor), 0.7), factor)
    torch.testing.assert_close(small, torch.full((1, 3, 5, 4), 0.7))


@pytest.mark.parametrize("factor", FACTORS)
def test_a_ramp_stays_a_ramp_at_the_block_centres(factor):
    """The kernel is symmetric about a block's centre, so its first moment there is zero."""
    columns = torch.arange(12 * factor, dtype=torch.float32)
    small = downsample(columns.expand(8 * factor, -1), factor)
    centres = torch.arange(12) * factor + (factor - 1) / 2
    torch.testing.assert_close(small[0, 2:-2], centres[2:-2], rtol=0, atol=1e-4 * factor)


@pytest.mark.parametrize("factor", FACTORS)
def test_mirroring_before_or_after_gives_the_same(factor):
    image = torch.rand(6 * factor, 4 * factor, generator=torch.Generator().manual_seed(0))
    mirrored = downsample(image.flip(1), factor).flip(1)
    torch.testing.assert_close(mirrored, downsample(image, factor), rtol=0, atol=1e-6)


def test_every_pixel_far_from_the_border_weighs_nearly_the_same():
    image = torch.zeros(64, 64, requires_grad=True)
    downsample(image, 4).sum().backward()
    inside = image.grad[16:-16, 16:-16] * 16
    assert (inside - 1).abs().max() < 0.03


def test_a_side_that_is_no_multiple_of_the_factor_is_refused():
    with pytest.raises(ValueError, match="10x8 pixels are no multiple of the factor 4"):
        downsample(torch.zeros(8, 10), 4)


@pytest.mark.parametrize("factor", FACTORS)
def test_a_consistent_picture_shrinks_to_the_given_one(factor):
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(3, 8 * factor, 6 * factor, generator=generator)
    small = torch.rand(3, 8, 6, generator=generator)
    found = consistent(image, small, factor)
    torch.testing.assert_close(downsample(found, factor), small, atol=1e-4, rtol=0)
    assert torch.equal(consistent(found, downsample(found, factor), factor), found)


def test_a_consistent_picture_is_the_nearest_one():
    generator = torch.Generator().manual_seed(2)
    image = torch.rand(12, 8, generator=generator)
    small = torch.rand(3, 2, generator=generator)
    basis = torch.eye(96).view(96, 12, 8)
    matrix = downsample(basis, 4).view(96, 6).T.double()
    expected = torch.linalg.pinv(matrix) @ (small.flatten() - matrix @ image.flatten().double())
    found = consistent(image, small, 4) - image
    torch.testing.assert_close(found.flatten().double(), expected, atol=1e-5, rtol=0)


def test_a_consistent_picture_is_found_from_constants_and_from_next_to_nothing():
    small = torch.full((3, 4), 0.5)
    for start in (0.0, 0.5, 0.5 + 1e-7, 1.0):
        found = consistent(torch.full((12, 16), start), small, 4)
        torch.testing.assert_close(downsample(found, 4), small, atol=1e-5, rtol=0)
    tiny = consistent(torch.zeros(12, 16), torch.full((3, 4), 1e-20), 4)
    assert torch.isfinite(tiny).all()
