"""Points of level sets: how they are found, and how they follow the parameters."""

from __future__ import annotations

import pytest
import torch

from rayfield.math.level_sets import newton_projection, pseudo_inverse, sample_network


def sphere(points):
    length = points.norm(dim=1)
    return length - 0.5, points / length[:, None]


def paraboloid(points):
    """Not a distance: x^2 + 2 y^2 + 3 z^2 - 1."""
    weights = torch.tensor([1.0, 2.0, 3.0])
    return (weights * points**2).sum(dim=1) - 1, 2 * weights * points


def test_an_exact_distance_is_projected_in_one_step(generator):
    points = torch.randn(50, 3, generator=generator)
    found = newton_projection(sphere, points, iterations=1, tolerance=1e-5)
    assert found.reached.all()
    torch.testing.assert_close(found.points, 0.5 * points / points.norm(dim=1, keepdim=True))
    torch.testing.assert_close(found.gradients, 2 * found.points)


def test_other_functions_converge_to_their_level(generator):
    points = torch.nn.functional.normalize(torch.randn(50, 3, generator=generator))
    found = newton_projection(paraboloid, points, level=0.3)
    assert found.reached.all()
    assert (paraboloid(found.points)[0] - 0.3).abs().max() < 1e-5


def test_points_that_do_not_arrive_are_told(generator):
    def nowhere(points):
        return torch.ones(len(points)), torch.zeros(len(points), 3)

    points = torch.randn(5, 3, generator=generator)
    found = newton_projection(nowhere, points)
    assert not found.reached.any()
    torch.testing.assert_close(found.points, points)


def test_the_pseudo_inverse_raises_the_function_by_one(generator):
    gradients = torch.randn(20, 3, generator=generator)
    torch.testing.assert_close((pseudo_inverse(gradients) * gradients).sum(dim=1), torch.ones(20))


def radius_family(points, theta):
    """|x| - theta_0 - theta_1 x, whose zero set moves with theta."""
    return points.norm(dim=1) - theta[0] - theta[1] * points[:, 0]


def test_a_sample_stays_and_moves_with_the_parameters_as_finite_differences_do(generator):
    """p(theta0) = p; dp/dtheta = -grad F / |grad F|^2 dF/dtheta, the normal speed of the set."""
    theta = torch.tensor([0.5, 0.1], dtype=torch.float64, requires_grad=True)
    start = torch.randn(30, 3, generator=generator, dtype=torch.float64)

    def function(points, at):
        points = points.detach().requires_grad_()
        with torch.enable_grad():
            value = radius_family(points, at)
            return value.detach(), torch.autograd.grad(value.sum(), points)[0]

    def project(points, at):
        return newton_projection(lambda p: function(p, at.detach()), points, tolerance=1e-13)

    found = project(start, theta)
    moved = sample_network(found.points, radius_family(found.points, theta), found.gradients)
    torch.testing.assert_close(moved, found.points, rtol=0, atol=1e-12)
    for k in range(2):
        step = torch.zeros(2, dtype=torch.float64)
        step[k] = 1e-6
        later, earlier = (project(found.points, theta + s * step).points for s in (1, -1))
        for axis in range(3):
            slope = torch.autograd.grad(moved[:, axis].sum(), theta, retain_graph=True)[0][k]
            expected = ((later - earlier)[:, axis] / 2e-6).sum()
            assert slope.item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-6)
