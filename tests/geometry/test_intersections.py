"""Crossing faces, counted against brute force and on shapes where the count is known."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import trimesh

from rayfield.core.types import Mesh
from rayfield.geometry import intersections
from rayfield.geometry.intersections import crossing, self_intersections


def shape(source, shift=(0.0, 0.0, 0.0), scale=1.0) -> Mesh:
    return Mesh(source.vertices * scale + np.array(shift), source.faces.astype(np.int32))


def join(*meshes: Mesh) -> Mesh:
    offsets = np.cumsum([0, *(len(x.vertices) for x in meshes[:-1])])
    faces = [x.faces + at for x, at in zip(meshes, offsets, strict=True)]
    return Mesh(np.concatenate([x.vertices for x in meshes]), np.concatenate(faces))


def parametric_crossing(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether an edge of one solves p + t (q - p) = b0 + u (b1 - b0) + v (b2 - b0) within both."""
    for one, other in ((a, b), (b, a)):
        for i in range(3):
            p, q = one[i], one[(i + 1) % 3]
            system = np.stack([q - p, other[0] - other[1], other[0] - other[2]], axis=1)
            if abs(np.linalg.det(system)) < 1e-12:
                continue
            t, u, v = np.linalg.solve(system, other[0] - p)
            if 0 < t < 1 and u >= 0 and v >= 0 and u + v <= 1:
                return True
    return False


def test_crossing_agrees_with_solving_for_the_point():
    a, b = np.random.default_rng(0).random((2, 200, 3, 3))
    wanted = np.array([parametric_crossing(x, y) for x, y in zip(a, b, strict=True)])
    np.testing.assert_array_equal(crossing(a, b), wanted)
    np.testing.assert_array_equal(crossing(b, a), wanted)
    assert 0.1 < wanted.mean() < 0.9


@pytest.mark.parametrize("pairs", [2**19, 50])
@pytest.mark.parametrize("sizes", [(0.3, 0.3), (1e-4, 3.0)])
def test_counting_agrees_with_all_pairs(sizes, pairs, monkeypatch):
    """Also where sizes differ ten-thousandfold, and the pairs come in small lots."""
    monkeypatch.setattr(intersections, "PAIRS", pairs)
    rng = np.random.default_rng(1)
    size = np.exp(rng.uniform(*np.log(sizes), 50))[:, None, None]
    corners = rng.random((50, 1, 3)) + size * rng.normal(size=(50, 3, 3))
    soup = Mesh(corners.reshape(-1, 3), np.arange(150).reshape(-1, 3))
    wanted = sum(parametric_crossing(corners[i], corners[j]) for i, j in combinations(range(50), 2))
    assert wanted > 3
    assert self_intersections(soup) == wanted


@pytest.mark.parametrize("shift", [0.0, 1e5])
def test_a_sound_surface_crosses_itself_nowhere(shift):
    for source in (
        trimesh.creation.icosphere(3),
        trimesh.creation.box(),
        trimesh.creation.torus(2, 1),
    ):
        assert self_intersections(shape(source, [shift] * 3)) == 0


def test_unwelded_touching_and_doubled_faces_do_not_cross():
    ball = shape(trimesh.creation.icosphere(2))
    loose = Mesh(
        ball.vertices[ball.faces].reshape(-1, 3), np.arange(ball.faces.size).reshape(-1, 3)
    )
    assert self_intersections(loose) == 0
    assert self_intersections(Mesh(ball.vertices, np.concatenate([ball.faces, ball.faces]))) == 0
    box = trimesh.creation.box()
    assert self_intersections(join(shape(box), shape(box, (1.0, 0.0, 0.0)))) == 0


def test_a_needle_through_a_ball_crosses_it_twice():
    needle = Mesh(
        np.array([[0.1, 0.2, -9], [0.1, 0.2, 9], [0.1001, 0.2, 9]]), np.array([[0, 1, 2]])
    )
    assert self_intersections(join(shape(trimesh.creation.icosphere(2)), needle)) == 2


def test_overlapping_balls_cross_along_a_circle():
    ball = trimesh.creation.icosphere(4)
    few = self_intersections(join(shape(ball), shape(ball, (0.513, 0.021, 0.037))))
    edge = 2 * np.pi * np.sqrt(1 - 0.2575**2) / 0.06  # of the circle by that of a face
    assert edge < few < 6 * edge


def test_nothing_has_no_crossings():
    assert self_intersections(Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int32))) == 0
    assert self_intersections(Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]))) == 0
