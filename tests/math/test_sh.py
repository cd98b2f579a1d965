"""Real spherical harmonics: orthonormality, rotation, known values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rayfield.math.sh import harmonics

F64 = {"dtype": torch.float64}


def sphere_rule(n=12):
    """Directions and weights integrating polynomials of degree 2n-1 on the sphere exactly."""
    z, wz = np.polynomial.legendre.leggauss(n)
    phi = 2 * np.pi * (np.arange(2 * n) + 0.5) / (2 * n)
    Z, P = (torch.from_numpy(a) for a in np.meshgrid(z, phi, indexing="ij"))
    s = (1 - Z**2).sqrt()
    directions = torch.stack([s * P.cos(), s * P.sin(), Z], dim=-1).reshape(-1, 3)
    weights = torch.from_numpy(wz)[:, None].expand(n, 2 * n).reshape(-1) * np.pi / n
    return directions, weights


def test_harmonics_are_orthonormal_on_the_sphere():
    directions, weights = sphere_rule()
    Y = harmonics(directions)
    gram = Y.T @ (weights[:, None] * Y)
    torch.testing.assert_close(gram, torch.eye(16, **F64), rtol=0, atol=1e-10)


def test_rotation_mixes_orders_only_within_a_band(generator):
    directions, weights = sphere_rule()
    R = torch.linalg.qr(torch.randn(3, 3, generator=generator, **F64)).Q
    rotated = harmonics(directions @ R.T)
    mixing = rotated.T @ (weights[:, None] * harmonics(directions))
    band = torch.arange(4).repeat_interleave(torch.tensor([1, 3, 5, 7]))
    across = band[:, None] != band[None, :]
    assert mixing[across].abs().max() < 1e-10
    torch.testing.assert_close(mixing @ mixing.T, torch.eye(16, **F64), rtol=0, atol=1e-10)


def test_band_power_is_the_same_in_every_direction(generator):
    """The addition theorem: the squares of band l sum to (2l+1)/(4 pi)."""
    d = torch.nn.functional.normalize(torch.randn(100, 3, generator=generator, **F64), dim=-1)
    Y2 = harmonics(d) ** 2
    for band in range(4):
        power = Y2[:, band**2 : (band + 1) ** 2].sum(dim=-1)
        expected = torch.full((100,), (2 * band + 1) / (4 * math.pi), **F64)
        torch.testing.assert_close(power, expected, rtol=1e-12, atol=0)


def test_bands_have_the_parity_of_their_degree(generator):
    d = torch.nn.functional.normalize(torch.randn(50, 3, generator=generator, **F64), dim=-1)
    sign = (-1.0) ** torch.arange(4).repeat_interleave(torch.tensor([1, 3, 5, 7]))
    torch.testing.assert_close(harmonics(-d), harmonics(d) * sign)


def test_zonal_values_at_the_pole_are_known():
    Y = harmonics(torch.tensor([0.0, 0.0, 1.0], **F64))
    expected = torch.zeros(16, **F64)
    for band in range(4):
        expected[band * (band + 1)] = math.sqrt((2 * band + 1) / (4 * math.pi))
    torch.testing.assert_close(Y, expected, rtol=1e-12, atol=1e-12)


def test_band_one_is_the_direction_with_the_published_signs():
    Y = harmonics(torch.tensor([0.36, 0.48, 0.8], **F64), bands=2)
    c = math.sqrt(3 / (4 * math.pi))
    expected = torch.tensor([math.sqrt(1 / (4 * math.pi)), -0.48 * c, 0.8 * c, -0.36 * c], **F64)
    torch.testing.assert_close(Y, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_fewer_bands_are_a_prefix_of_more(generator, bands):
    d = torch.randn(7, 5, 3, generator=generator)
    Y = harmonics(d, bands=bands)
    assert torch.equal(Y, harmonics(d)[..., : bands**2])


@pytest.mark.parametrize("bands", [0, 5])
def test_unsupported_bands_are_refused(bands):
    with pytest.raises(ValueError, match="bands must be 1 to 4"):
        harmonics(torch.zeros(1, 3), bands=bands)
