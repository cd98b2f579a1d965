"""Exact distances: unit gradients, signs, feet on the surface, and brute force."""

from __future__ import annotations

import math

import pytest
import torch

from rayfield.core.check import UsageError
from rayfield.math import sdf
from rayfield.math.calculus import closest_point, gradient, hessian, project
from rayfield.math.csg import offset

TURN = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(4)).double())[0]

SHAPES = {
    "sphere": lambda p: sdf.sphere(p, 0.7),
    "plane": lambda p: sdf.plane(p, (3.0, -1.0, 2.0), 0.5),
    "box": lambda p: sdf.box(p, (0.5, 0.3, 0.8)),
    "torus": lambda p: sdf.torus(p, 0.6, 0.2),
    "capsule": lambda p: sdf.capsule(p, (-0.5, 0.1, 0.2), (0.4, 0.3, -0.2), radius=0.25),
    "cylinder": lambda p: sdf.cylinder(p, 0.4, 0.6),
    "moved": sdf.moved(lambda p: sdf.box(p, (0.5, 0.3, 0.8)), (0.2, -0.1, 0.3), TURN),
    "scaled": sdf.scaled(lambda p: sdf.torus(p, 0.6, 0.2), 1.3),
    "offset": lambda p: offset(sdf.box(p, (0.5, 0.3, 0.4)), 0.1),
}


@pytest.fixture
def points(generator):
    return (torch.rand(2000, 3, generator=generator).double() - 0.5) * 3


@pytest.mark.parametrize("name", SHAPES)
def test_gradients_have_length_one(name, points):
    """Everywhere but on the medial axis, which random points miss."""
    size = gradient(SHAPES[name], points).norm(dim=-1)
    torch.testing.assert_close(size, torch.ones_like(size), atol=1e-10, rtol=0)


@pytest.mark.parametrize("name", SHAPES)
def test_feet_lie_on_the_surface_as_far_off_as_the_distance_says(name, points):
    """Outside for `offset`, whose edges are only bounds of the distance inside."""
    shape = SHAPES[name]
    some = points[shape(points) > 0] if name == "offset" else points
    feet = closest_point(shape, some)
    assert shape(feet).abs().max() < 1e-10
    torch.testing.assert_close((feet - some).norm(dim=-1), shape(some).abs())


@pytest.mark.parametrize("name", SHAPES)
def test_one_newton_step_reaches_the_surface(name, points):
    shape = SHAPES[name]
    some = points[shape(points) > 0] if name == "offset" else points
    assert shape(project(shape, some, steps=1)).abs().max() < 1e-10


@pytest.mark.parametrize("name", SHAPES)
def test_no_point_of_the_surface_is_nearer_than_the_distance(name, points):
    """Brute force: all points against 2000 surface points (feet of other points)."""
    shape = SHAPES[name]
    surface = project(shape, points.flip(0), steps=3)
    surface = surface[shape(surface).abs() < 1e-10]
    assert len(surface) > 1900
    nearest = torch.cdist(points, surface).amin(dim=1)
    gap = nearest - shape(points).abs()
    assert gap.min() > -1e-10
    if name not in ("plane", "offset"):  # one is endless, the other inexact inside
        assert gap.max() < 0.15  # the surface points are that far from each other


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("sphere", lambda x, y, z: x * x + y * y + z * z < 0.49),
        ("plane", lambda x, y, z: 3 * x - y + 2 * z < 0.5),
        ("box", lambda x, y, z: (x.abs() < 0.5) & (y.abs() < 0.3) & (z.abs() < 0.8)),
        ("torus", lambda x, y, z: ((x * x + y * y).sqrt() - 0.6) ** 2 + z * z < 0.04),
        ("cylinder", lambda x, y, z: (x * x + y * y < 0.16) & (z.abs() < 0.6)),
    ],
)
def test_the_sign_says_inside(name, inside, points):
    assert torch.equal(SHAPES[name](points) < 0, inside(*points.unbind(-1)))


def test_known_distances():
    def at(shape, *where):
        return float(shape(torch.tensor(where)))

    assert at(SHAPES["box"], 0.8, 0.7, 0.0) == pytest.approx(0.5)  # to an edge: 0.3, 0.4
    assert at(SHAPES["box"], 0.0, 0.0, 0.0) == pytest.approx(-0.3)
    assert at(SHAPES["torus"], 0.0, 0.0, 0.0) == pytest.approx(0.4)
    assert at(SHAPES["cylinder"], 0.7, 0.0, 1.0) == pytest.approx(0.5)
    assert at(SHAPES["plane"], 0.0, 0.0, 0.0) == pytest.approx(-0.5 / math.sqrt(14))
    capsule = SHAPES["capsule"]
    assert at(capsule, -0.5, 0.1, 0.2) == pytest.approx(-0.25)
    ball = sdf.capsule(torch.ones(1, 3), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), radius=1.0)
    assert float(ball) == pytest.approx(math.sqrt(3) - 1)


@pytest.mark.parametrize("name", SHAPES)
def test_any_batch_shape_and_both_precisions(name, generator):
    shape = SHAPES[name]
    points = torch.randn(2, 3, 4, 3, generator=generator)
    found = shape(points)
    assert found.shape == (2, 3, 4)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), shape(points.double()), atol=1e-5, rtol=1e-5)
    assert shape(points[0, 0, 0]).shape == ()


@pytest.mark.parametrize("name", SHAPES)
def test_derivatives_are_finite_even_on_the_medial_axis(name):
    points = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 0.3], [0.6, 0.0, 0.0], [0.1, 0.1, 0.1]])
    assert torch.isfinite(gradient(SHAPES[name], points)).all()
    assert torch.isfinite(hessian(SHAPES[name], points)).all()


def test_the_shapes_work_in_the_plane(generator):
    points = torch.randn(50, 2, generator=generator)
    assert sdf.sphere(points, 1.0).shape == (50,)
    assert sdf.moved(lambda p: sdf.box(p, (0.5, 0.2)), (1.0, 0.0))(points).shape == (50,)


@pytest.mark.parametrize("by", [0.05, 0.2])
def test_parallel_bodies_of_a_box_have_the_volume_of_steiners_formula(by):
    a, b, c = 0.5, 0.3, 0.4
    steps = 80
    line = ((torch.arange(steps) + 0.5) / steps * 2 - 1).double() * 0.75
    inside = offset(sdf.box(torch.cartesian_prod(line, line, line), (a, b, c)), by) < 0
    volume = float(inside.double().mean()) * 1.5**3
    surface, edges = 8 * (a * b + b * c + c * a), 8 * (a + b + c)
    expected = 8 * a * b * c + surface * by + math.pi / 4 * edges * by**2
    expected += 4 / 3 * math.pi * by**3
    assert volume == pytest.approx(expected, rel=0.02)


def test_what_does_not_keep_distances_is_refused():
    with pytest.raises(UsageError, match="only rotations keep distances"):
        sdf.moved(SHAPES["box"], (0.0, 0.0, 0.0), 2 * torch.eye(3))
    with pytest.raises(UsageError, match="scale 0"):
        sdf.scaled(SHAPES["box"], 0.0)
    with pytest.raises(UsageError, match="a plane needs a normal"):
        sdf.plane(torch.zeros(1, 3), (0.0, 0.0, 0.0))
