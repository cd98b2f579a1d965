"""Value and gradient of a network in one pass, against the framework's double backward."""

from __future__ import annotations

import math

import pytest
import torch

from rayfield.fields import slopes
from rayfield.fields.geometric import GeometricMLP, Start, autograd_value_and_gradient


def some_loss(value: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Terms of the value alone, of the gradient alone, and of both."""
    eikonal = (gradient.norm(dim=1) - 1).square().mean()
    return value.abs().mean() + eikonal + (value[:, None] * gradient.sin()).sum(dim=1).mean()


def gradients(network: GeometricMLP) -> list[torch.Tensor]:
    found = [torch.zeros_like(p) if p.grad is None else p.grad for p in network.parameters()]
    network.zero_grad()
    return found


@pytest.mark.parametrize("skips", [(), (1,), (2, 4)])
@pytest.mark.parametrize("beta", [3.0, 100.0, math.inf])
@pytest.mark.parametrize("normed", [False, True])
def test_values_gradients_and_their_derivatives_are_those_of_the_twin(
    skips, beta, normed, generator, monkeypatch
):
    monkeypatch.setattr(slopes, "TILE", 64)  # of which the last one is not full
    start = Start(deviation=0.1, normed=normed)
    network = GeometricMLP(24, 5, skips=skips, beta=beta, start=start, generator=generator)
    points = torch.randn(150, 3, generator=generator)
    found = network.value_and_gradient(points)
    some_loss(*found).backward()
    ours = gradients(network)
    expected = autograd_value_and_gradient(network, points)
    some_loss(*expected).backward()
    for a, b in zip((*found, *ours), (*expected, *gradients(network)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_in_double_precision_they_agree_to_where_softplus_is_taken_as_linear(generator):
    """The framework does so where exp(-beta z) < exp(-20) = 2e-9; the slopes here do not."""
    network = GeometricMLP(16, 4, skips=(2,), generator=generator).double()
    points = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    some_loss(*network.value_and_gradient(points)).backward()
    ours = gradients(network)
    some_loss(*autograd_value_and_gradient(network, points)).backward()
    for a, b in zip(ours, gradients(network), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


def test_a_loss_of_the_value_alone_is_the_ordinary_backward(generator):
    network = GeometricMLP(16, 3, generator=generator)
    points = torch.randn(20, 3, generator=generator)
    network.value_and_gradient(points)[0].square().sum().backward()
    ours = gradients(network)
    network(points).square().sum().backward()
    for a, b in zip(ours, gradients(network), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_nothing_is_kept_where_no_derivatives_are_wanted(generator):
    network = GeometricMLP(16, 3, generator=generator)
    with torch.no_grad():
        value, gradient = network.value_and_gradient(torch.zeros(0, 3))
    assert value.shape == (0,)
    assert gradient.shape == (0, 3)
    assert not value.requires_grad
