"""Central differences against closed forms."""

from __future__ import annotations

import torch

from rayfield.math.calculus import central_gradient


def test_gradients_of_quadratic_functions_are_exact(generator):
    matrix, vector = (torch.randn(*s, generator=generator).double() for s in ((3, 3), (3,)))
    points = torch.randn(50, 3, generator=generator).double()

    def quadratic(x):
        return ((x @ matrix) * x).sum(-1) + x @ vector

    found = central_gradient(quadratic, points, 0.1)
    torch.testing.assert_close(found, points @ (matrix + matrix.T) + vector)


def test_the_error_falls_with_the_square_of_the_step(generator):
    points = torch.randn(50, 3, generator=generator).double()
    exact = torch.cos(points)
    errors = [
        (central_gradient(lambda x: torch.sin(x).sum(-1), points, h) - exact).abs().max()
        for h in (0.1, 0.05)
    ]
    assert 3.9 < errors[0] / errors[1] < 4.1


def test_no_points_have_no_gradients():
    assert central_gradient(lambda x: x.sum(-1), torch.zeros(0, 3), 0.1).shape == (0, 3)
