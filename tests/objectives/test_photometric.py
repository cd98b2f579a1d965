"""Image measures against closed forms and scikit-image."""

from __future__ import annotations

import math

import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from rayfield.core.check import RayfieldError
from rayfield.objectives.photometric import huber, mse, psnr, ssim


def picture(generator, height=40, width=33):
    """Smooth structure plus noise, in [0, 1]."""
    v, u = torch.meshgrid(torch.linspace(0, 6, height), torch.linspace(0, 5, width), indexing="ij")
    smooth = torch.stack([torch.sin(u * v), torch.cos(u), torch.sin(v + u)], dim=-1) / 4 + 0.5
    return (smooth + 0.1 * torch.randn(height, width, 3, generator=generator)).clamp(0, 1)


@pytest.mark.parametrize("offset", [0.5, 0.1, 1e-3])
def test_psnr_of_a_constant_offset_is_minus_20_log10(offset):
    a = torch.full((4, 5, 3), 0.4, dtype=torch.float64)
    assert psnr(a, a + offset).item() == pytest.approx(-20 * math.log10(offset), abs=1e-9)


def test_psnr_of_identical_images_is_infinite(generator):
    a = picture(generator)
    assert psnr(a, a.clone()).item() == math.inf


def test_psnr_clips_to_the_displayable_range(generator):
    a = picture(generator)
    assert psnr(a, torch.full_like(a, 1.7)) == psnr(a, torch.ones_like(a))


def test_mean_psnr_is_at_least_the_psnr_of_the_mean_error(generator):
    a = [picture(generator) for _ in range(4)]
    b = [(x + s * torch.randn(x.shape, generator=generator)).clamp(0, 1)
         for x, s in zip(a, (0.01, 0.05, 0.1, 0.3), strict=True)]  # fmt: skip
    mean = torch.stack([psnr(x, y) for x, y in zip(a, b, strict=True)]).mean()
    pooled = -10 * torch.log10(torch.stack([mse(x, y) for x, y in zip(a, b, strict=True)]).mean())
    assert mean > pooled + 1
    equal = torch.stack([psnr(a[0], b[0])] * 3).mean()
    assert equal.item() == pytest.approx(-10 * math.log10(mse(a[0], b[0]).item()), abs=1e-4)


def test_psnr_agrees_with_scikit_image(generator):
    a, b = picture(generator), picture(generator)
    theirs = peak_signal_noise_ratio(a.double().numpy(), b.double().numpy(), data_range=1)
    assert psnr(a, b).item() == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize(("height", "width"), [(40, 33), (11, 11), (11, 50)])
def test_ssim_agrees_with_scikit_image(generator, height, width):
    a, b = picture(generator, height, width), picture(generator, height, width)
    theirs = structural_similarity(
        a.double().numpy(),
        b.double().numpy(),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1,
        channel_axis=2,
    )
    assert ssim(a, b).item() == pytest.approx(theirs, abs=1e-9)


def test_ssim_is_one_on_itself_symmetric_and_lower_otherwise(generator):
    a, b = picture(generator), picture(generator)
    assert ssim(a, a).item() == pytest.approx(1, abs=1e-12)
    assert ssim(a, b).item() == pytest.approx(ssim(b, a).item(), abs=1e-12)
    assert ssim(a, b) < 0.9


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_ssim_of_constant_images_is_its_luminance_term(value):
    a, b = torch.full((12, 12, 3), value), torch.full((12, 12, 3), 0.5)
    expected = (2 * value * 0.5 + 1e-4) / (value**2 + 0.25 + 1e-4)
    assert ssim(a, b).item() == pytest.approx(expected, abs=1e-9)


def test_ssim_refuses_images_smaller_than_its_window():
    with pytest.raises(RayfieldError, match="at least 11x11 pixels, got 40x10"):
        ssim(torch.zeros(10, 40, 3), torch.zeros(10, 40, 3))


def test_huber_is_quadratic_near_and_linear_far():
    zero = torch.zeros(1)
    assert huber(zero, torch.tensor([0.05]), delta=0.1).item() == pytest.approx(0.5 * 0.05**2)
    assert huber(zero, torch.tensor([0.9]), delta=0.1).item() == pytest.approx(0.1 * (0.9 - 0.05))


@pytest.mark.parametrize("loss", [mse, huber])
def test_losses_vanish_only_on_equal_images_and_pull_towards_them(generator, loss):
    a = picture(generator)
    assert loss(a, a) == 0
    b = picture(generator).requires_grad_()
    loss(b, a).backward()
    assert torch.equal(torch.sign(b.grad), torch.sign(b.detach() - a))
