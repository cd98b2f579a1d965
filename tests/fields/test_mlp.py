"""Small perceptrons: size, start, and the form of the function."""

from __future__ import annotations

import math

import pytest
import torch

from rayfield.fields.mlp import MLP


@pytest.mark.parametrize("widths", [(3, 5), (32, 64, 16), (32, 64, 64, 3)])
def test_parameters_are_the_matrices_alone(widths):
    mlp = MLP(*widths)
    shapes = [tuple(p.shape) for p in mlp.parameters()]
    assert shapes == list(zip(widths[1:], widths[:-1], strict=True))
    assert mlp(torch.rand(7, widths[0])).shape == (7, widths[-1])


def test_values_are_those_of_rectified_layers(generator):
    mlp = MLP(4, 8, 6, 2, generator=generator)
    x = torch.randn(9, 4, generator=generator)
    first, second, last = mlp.matrices
    expected = (x @ first.T).clamp_min(0)
    expected = (expected @ second.T).clamp_min(0) @ last.T
    torch.testing.assert_close(mlp(x), expected)
    assert (mlp(x) < 0).any()  # the output is linear


def test_without_biases_the_function_scales_with_its_argument(generator):
    mlp = MLP(4, 16, 16, 2, generator=generator)
    x = torch.randn(20, 4, generator=generator)
    torch.testing.assert_close(mlp(3 * x), 3 * mlp(x))
    assert (mlp(torch.zeros(1, 4)) == 0).all()


def test_matrices_start_uniform_within_glorots_bound(generator):
    (matrix,) = MLP(300, 200, generator=generator).matrices
    bound = math.sqrt(6 / 500)
    assert matrix.abs().max() <= bound
    assert matrix.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert abs(matrix.mean().item()) < 0.02 * bound


def test_the_same_seed_gives_the_same_matrices():
    a, b, c = (MLP(4, 8, 2, generator=torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert all(torch.equal(p, q) for p, q in zip(a.matrices, b.matrices, strict=True))
    assert not torch.equal(a.matrices[0], c.matrices[0])


def test_gradients_are_those_of_finite_differences(generator):
    mlp = MLP(3, 8, 8, 2, generator=generator).double()
    x = torch.randn(5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(mlp, x)
