"""Sharp softplus units against the framework's."""

from __future__ import annotations

import pytest
import torch

from rayfield.math.softplus import softplus, softplus_and_slope_

Z = torch.cat([torch.linspace(-3, 3, 4001), torch.tensor([-1e30, -50.0, 0.0, 50.0, 1e30])])


@pytest.mark.parametrize("beta", [1.0, 10.0, 100.0])
def test_value_and_slope_are_those_of_the_exact_functions(beta):
    exact = beta * Z.double()
    value, slope = torch.logaddexp(exact, torch.zeros_like(exact)) / beta, exact.sigmoid()
    h, s = softplus_and_slope_(Z.clone(), beta)
    torch.testing.assert_close(h.double(), value, rtol=1e-6, atol=2e-7 / beta)
    torch.testing.assert_close(s.double(), slope, rtol=0, atol=2e-7)


@pytest.mark.parametrize("beta", [1.0, 100.0])
def test_the_derivative_is_the_slope_and_the_input_is_left_alone(beta):
    z = Z.clone().requires_grad_()
    twin = Z.clone().requires_grad_()
    weights = torch.linspace(0, 1, len(Z))
    (softplus(z, beta) * weights).sum().backward()
    (torch.nn.functional.softplus(twin, beta) * weights).sum().backward()
    torch.testing.assert_close(z.grad, twin.grad, rtol=1e-6, atol=1e-6)
    assert torch.equal(z.detach(), Z)


def test_no_number_is_denormal():
    tiny = torch.finfo(torch.float32).tiny
    for found in softplus_and_slope_(Z.clone(), 100.0):
        assert ((found == 0) | (found.abs() >= tiny)).all()
