"""The tangent kernel on the circle: closed forms against integrals and against a network."""

from __future__ import annotations

import math

import pytest
import torch

from rayfield.math.tangent_kernel import (
    circle_eigenvalue,
    circle_kernel,
    eigenvalues,
    tangent_kernel,
)

POINTS = 1 << 14


def angles(n: int = POINTS) -> torch.Tensor:
    t = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n
    return torch.where(t > math.pi, t - 2 * math.pi, t)


@pytest.mark.parametrize("bias", [False, True])
def test_eigenvalues_are_the_integrals_of_the_kernel(bias):
    found = eigenvalues(circle_kernel(angles(), bias=bias), 20)
    expected = [circle_eigenvalue(k, bias=bias) for k in range(21)]
    torch.testing.assert_close(
        found, torch.tensor(expected, dtype=torch.float64), atol=2e-9, rtol=0
    )


def test_published_values_of_the_eigenvalues():
    assert circle_eigenvalue(4, bias=True) == pytest.approx(0.0038277, abs=5e-8)
    assert circle_eigenvalue(14, bias=True) == pytest.approx(0.00026246, abs=5e-9)
    ratio = circle_eigenvalue(4, bias=True) / circle_eigenvalue(14, bias=True)
    assert ratio == pytest.approx(14.6, abs=0.05)


def test_without_bias_odd_frequencies_from_three_on_are_never_learned():
    assert all(circle_eigenvalue(k, bias=False) == 0 for k in range(3, 40, 2))
    assert all(circle_eigenvalue(k, bias=True) > 0 for k in range(40))


@pytest.mark.parametrize("bias", [False, True])
def test_time_to_learn_grows_as_the_square_of_the_frequency(bias):
    products = [k**2 * circle_eigenvalue(k, bias=bias) for k in (100, 200, 400)]
    assert products[0] == pytest.approx(products[2], rel=1e-3)


@pytest.mark.parametrize("bias", [False, True])
def test_eigenvalues_add_up_to_the_kernel_at_zero(bias):
    """K(0) = sum of lambda_k over the functions 1, cos kt, sin kt; the tail falls as 1/k."""
    total = circle_eigenvalue(0, bias=bias)
    total += 2 * sum(circle_eigenvalue(k, bias=bias) for k in range(1, 20_000))
    assert total == pytest.approx(float(circle_kernel(torch.zeros(()), bias=bias)), abs=1e-5)


def test_kernel_is_the_mean_product_of_a_random_networks_gradients(generator):
    """Brute force: gradients of relu(w.x) in w are x where w.x > 0; within 4 standard errors."""
    weights = torch.randn(200_000, 2, generator=generator, dtype=torch.float64)
    first = torch.tensor([1.0, 0.0], dtype=torch.float64)
    for t in (0.0, 0.4, 1.5, 2.8):
        second = torch.tensor([math.cos(t), math.sin(t)], dtype=torch.float64)
        both = ((weights @ first > 0) & (weights @ second > 0)).double() * (first @ second)
        angle = torch.tensor(t, dtype=torch.float64)
        expected = float(tangent_kernel(first @ second, angle))
        error = float(both.std()) / math.sqrt(len(both))
        assert abs(float(both.mean()) - expected) <= 4 * error
