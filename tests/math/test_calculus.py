"""Derivatives against closed forms and differences; curvatures of known surfaces."""

from __future__ import annotations

import pytest
import torch

from rayfield.math import algebraic, csg, sdf
from rayfield.math.calculus import (
    central_gradient,
    central_hessian,
    closest_point,
    divergence,
    eikonal_residual,
    foot_spread,
    gaussian_curvature,
    gradient,
    hessian,
    jacobian,
    laplacian,
    mean_curvature,
    project,
    unit_normal,
    value_and_gradient,
)


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


def wave(x):
    return torch.sin(x[..., 0]) * x[..., 1] ** 2 + torch.exp(0.5 * x[..., 2]) * x[..., 0]


def test_derivatives_agree_with_differences_of_one_lower_order(generator):
    points = torch.randn(40, 3, generator=generator).double()
    slope = gradient(wave, points)
    torch.testing.assert_close(slope, central_gradient(wave, points, 1e-5), atol=1e-8, rtol=1e-8)
    second = hessian(wave, points)
    for k in range(3):
        row = central_gradient(lambda x, k=k: gradient(wave, x)[..., k], points, 1e-5)
        torch.testing.assert_close(second[:, k], row, atol=1e-8, rtol=1e-8)
    torch.testing.assert_close(second, second.transpose(1, 2))
    torch.testing.assert_close(laplacian(wave, points), second.diagonal(dim1=1, dim2=2).sum(1))
    torch.testing.assert_close(
        divergence(lambda x: gradient(wave, x, create_graph=True), points), laplacian(wave, points)
    )


def test_second_differences_of_a_cubic_are_exact(generator):
    points = torch.randn(20, 3, generator=generator).double()
    found = central_hessian(algebraic.cayley, points, 0.1)
    torch.testing.assert_close(found, hessian(algebraic.cayley, points))
    close = central_hessian(wave, points, 1e-3)
    torch.testing.assert_close(close, hessian(wave, points), atol=1e-5, rtol=1e-5)


def test_the_jacobian_of_a_linear_map_is_its_matrix(generator):
    matrix = torch.randn(3, 3, generator=generator)
    found = jacobian(lambda x: x @ matrix.T, torch.randn(2, 5, 3, generator=generator))
    torch.testing.assert_close(found, matrix.expand(2, 5, 3, 3))


def test_functions_that_do_not_depend_on_the_point_have_zero_derivatives():
    points = torch.randn(4, 3)
    weight = torch.ones(1, requires_grad=True)
    for constant in (lambda x: torch.zeros(len(x)), lambda x: weight.expand(len(x))):
        assert not gradient(constant, points).any()
    assert not hessian(lambda x: x.sum(-1), points).any()


def test_gradients_can_be_differentiated_by_parameters_and_by_points():
    weight = torch.tensor(2.0, requires_grad=True)
    points = torch.ones(1, 3, requires_grad=True)
    value, slope = value_and_gradient(lambda x: weight * (x**3).sum(-1), points, create_graph=True)
    by_weight, by_point = torch.autograd.grad(slope.sum() + value.sum(), (weight, points))
    assert float(by_weight) == pytest.approx(9 + 3)
    torch.testing.assert_close(by_point, torch.full((1, 3), 12.0 + 6.0))
    assert not gradient(wave, torch.ones(1, 3)).requires_grad


RADIUS, MINOR = 0.6, 0.25


def on_torus(n=60):
    """Points of a torus, and the angle around its tube."""
    u, v = torch.rand(2, n, generator=torch.Generator().manual_seed(0)).double() * 6.2
    ring = RADIUS + MINOR * v.cos()
    return torch.stack([ring * u.cos(), ring * u.sin(), MINOR * v.sin()], dim=1), v


SPHERES = [lambda p: sdf.sphere(p, RADIUS), lambda p: algebraic.sphere(p, RADIUS)]
TORI = [lambda p: sdf.torus(p, RADIUS, MINOR), lambda p: algebraic.torus(p, RADIUS, MINOR)]


@pytest.mark.parametrize("function", SPHERES)
def test_spheres_have_curvatures_one_over_radius_and_its_square(function, generator):
    """Whatever function has the sphere as its level set."""
    direction = torch.nn.functional.normalize(torch.randn(50, 3, generator=generator).double())
    points = RADIUS * direction
    torch.testing.assert_close(
        mean_curvature(function, points), torch.full((50,), 1 / RADIUS).double()
    )
    torch.testing.assert_close(
        gaussian_curvature(function, points), torch.full((50,), RADIUS**-2).double()
    )
    normal, regular = unit_normal(function, points)
    torch.testing.assert_close(normal, direction)
    assert regular.all()


def test_the_laplacian_of_a_spheres_distance_is_two_over_r(generator):
    points = torch.randn(50, 3, generator=generator).double()
    found = laplacian(SPHERES[0], points)
    torch.testing.assert_close(found, 2 / points.norm(dim=1))


@pytest.mark.parametrize("function", TORI)
def test_tori_have_the_curvatures_of_their_closed_form(function):
    points, v = on_torus()
    ring = RADIUS + MINOR * v.cos()
    torch.testing.assert_close(gaussian_curvature(function, points), v.cos() / (MINOR * ring))
    mean = (RADIUS + 2 * MINOR * v.cos()) / (2 * MINOR * ring)
    torch.testing.assert_close(mean_curvature(function, points), mean)


def test_cylinders_and_planes_are_flat_in_gausss_sense(generator):
    points = torch.randn(30, 3, generator=generator).double()
    rod = points * torch.tensor([1, 1, 0.1])
    along = lambda p: sdf.sphere(p[..., :2], 0.5)  # noqa: E731
    assert gaussian_curvature(along, rod).abs().max() < 1e-10
    torch.testing.assert_close(mean_curvature(along, rod), 0.5 / rod[:, :2].norm(dim=1))
    assert mean_curvature(lambda p: sdf.plane(p, (1.0, 2.0, 3.0)), points).abs().max() < 1e-12


def test_turning_a_surface_inside_out_turns_its_normals_and_mean_curvature():
    points, _ = on_torus()
    turned = lambda p: -TORI[1](p)  # noqa: E731
    torch.testing.assert_close(mean_curvature(turned, points), -mean_curvature(TORI[1], points))
    torch.testing.assert_close(
        gaussian_curvature(turned, points), gaussian_curvature(TORI[1], points)
    )


def test_the_eikonal_residual_of_a_distance_is_0_of_twice_it_1_and_of_nothing_1(generator):
    points = torch.randn(50, 3, generator=generator).double()
    distance = lambda p: sdf.box(p, (0.5, 0.3, 0.8))  # noqa: E731
    assert eikonal_residual(distance, points).max() < 1e-20
    normal = torch.tensor([0.6, 0.0, 0.8]).double()
    torch.testing.assert_close(
        eikonal_residual(lambda p: 2 * p @ normal, points), torch.ones(50).double()
    )
    torch.testing.assert_close(
        eikonal_residual(lambda p: 0 * p.sum(-1), points), torch.ones(50).double()
    )


def test_projection_stays_where_there_is_no_gradient_and_keeps_its_reach():
    centre = torch.zeros(1, 3)
    assert torch.equal(project(SPHERES[0], centre), centre)
    far = torch.tensor([[5.0, 0.0, 0.0]])
    torch.testing.assert_close(
        project(SPHERES[0], far, steps=3, reach=0.5), far - torch.tensor([1.5, 0, 0])
    )


def square(p):
    return sdf.box(p, (1.0, 1.0))


def test_the_medial_axis_of_a_square_is_its_diagonals():
    line = torch.linspace(-0.95, 0.95, 96, dtype=torch.float64)
    points = torch.cartesian_prod(line, line)
    reach = 1e-3
    x, y = points.abs().unbind(-1)
    spread = foot_spread(square, points, reach=reach)
    on_axis = (x - y).abs() < reach
    assert 150 < on_axis.sum() < 250
    assert torch.equal(spread > 10 * reach, on_axis)
    # On a diagonal the two nearest points are sqrt 2 times the distance to the border apart.
    expected = 2**0.5 * (1 - x[on_axis])
    torch.testing.assert_close(spread[on_axis], expected, atol=3 * reach, rtol=0)
    assert foot_spread(square, points + 2.1, reach=reach).max() <= 2 * reach + 1e-12  # convex


def test_between_two_balls_the_medial_axis_is_the_plane_in_the_middle(generator):
    left, right = torch.tensor([-1.0, 0, 0]).double(), torch.tensor([1.0, 0, 0]).double()

    def two(p):
        return csg.union(sdf.sphere(p - left, 0.5), sdf.sphere(p - right, 0.5))

    points = (torch.rand(500, 3, generator=generator).double() - 0.5) * 0.6
    points[:250, 0] = 0
    spread = foot_spread(two, points, reach=1e-3)
    assert spread[:250].min() > 0.9
    assert spread[250:][points[250:, 0].abs() > 1e-3].max() < 1e-2


def test_feet_on_a_sphere_spread_by_one_over_one_minus_curvature_times_distance():
    """Inside the sphere they lie apart the more, the nearer to the centre, its medial axis."""
    points = torch.tensor([[0.5, 0.0, 0.0], [0.01, 0.0, 0.0], [0.0, 0.0, 0.0]]).double()
    spread = foot_spread(lambda p: sdf.sphere(p, 1.0), points, reach=1e-3)
    torch.testing.assert_close(
        spread[:2] / 2e-3, torch.tensor([2.0, 100.0]).double(), rtol=1e-2, atol=0
    )
    assert float(spread[2]) == pytest.approx(2)
    feet = closest_point(lambda p: sdf.sphere(p, 1.0), points[:2])
    torch.testing.assert_close(feet, torch.tensor([[1.0, 0, 0]] * 2).double())
