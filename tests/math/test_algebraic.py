"""Polynomials against the distances of the same surfaces, and their singular points."""

from __future__ import annotations

import pytest
import torch

from rayfield.math import algebraic, sdf
from rayfield.math.calculus import gradient, project, unit_normal


@pytest.fixture
def points(generator):
    return (torch.rand(1000, 3, generator=generator).double() - 0.5) * 3


@pytest.mark.parametrize(
    ("polynomial", "distance"),
    [
        (lambda p: algebraic.sphere(p, 0.7), lambda p: sdf.sphere(p, 0.7)),
        (lambda p: algebraic.torus(p, 0.6, 0.25), lambda p: sdf.torus(p, 0.6, 0.25)),
    ],
)
def test_polynomials_have_the_zero_set_and_the_sign_of_the_distance(polynomial, distance, points):
    assert torch.equal(polynomial(points) < 0, distance(points) < 0)
    on = project(distance, points, steps=2)
    assert polynomial(on).abs().max() < 1e-10


def test_the_spheres_polynomial_has_gradient_two_radii_on_it(points):
    on = project(lambda p: sdf.sphere(p, 0.7), points, steps=1)
    size = gradient(lambda p: algebraic.sphere(p, 0.7), on).norm(dim=-1)
    torch.testing.assert_close(size, torch.full_like(size, 1.4))


def test_newton_reaches_polynomial_surfaces_from_near(points):
    surface = project(lambda p: sdf.torus(p, 0.6, 0.25), points, steps=1)
    near = surface + 0.03 * torch.randn(surface.shape, generator=torch.Generator().manual_seed(2))
    assert algebraic.torus(near, 0.6, 0.25).abs().max() > 1e-2
    assert (
        algebraic.torus(project(lambda p: algebraic.torus(p, 0.6, 0.25), near), 0.6, 0.25)
        .abs()
        .max()
        < 1e-10
    )


def test_a_quadric_is_its_sum_of_products(points, generator):
    matrix = torch.randn(3, 3, generator=generator).double()
    vector = torch.randn(3, generator=generator).double()
    found = algebraic.quadric(points, matrix, vector, constant=0.3)
    terms = [float(matrix[i, j]) * points[:, i] * points[:, j] for i in range(3) for j in range(3)]
    terms += [float(vector[i]) * points[:, i] for i in range(3)]
    torch.testing.assert_close(found, torch.stack(terms).sum(0) + 0.3)


def test_cayleys_cubic_has_no_normal_at_its_four_nodes_and_one_elsewhere(points):
    nodes = algebraic.CAYLEY_NODES
    assert algebraic.cayley(nodes).abs().max() == 0
    normal, regular = unit_normal(algebraic.cayley, nodes)
    assert not regular.any()
    assert torch.equal(normal, torch.zeros(4, 3))
    direction = torch.nn.functional.normalize(points, dim=-1)
    on = project(algebraic.cayley, 0.9 * direction, steps=30, reach=0.1)
    on = on[algebraic.cayley(on).abs() < 1e-12]
    far = torch.cdist(on, nodes.double()).amin(dim=1) > 0.05
    assert far.sum() > 500
    normal, regular = unit_normal(algebraic.cayley, on[far])
    assert regular.all()
    torch.testing.assert_close(normal.norm(dim=-1), torch.ones(len(normal)).double())


def test_the_pillow_of_cayleys_cubic_is_inside():
    assert float(algebraic.cayley(torch.zeros(3))) == -1
