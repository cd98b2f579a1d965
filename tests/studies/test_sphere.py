"""Directions around a scene."""

from __future__ import annotations

import numpy as np
import pytest

from rayfield.core.types import Mesh
from rayfield.data.demo import demo_photos
from rayfield.studies import sphere


def ring(count: int) -> np.ndarray:
    angle = np.arange(count) / count * 2 * np.pi
    return np.stack([np.cos(angle), np.sin(angle), np.zeros(count)], axis=1)


def test_directions_of_the_demo_cameras_are_those_of_their_poses(scene):
    frames = scene.split("test")
    found = sphere.directions(scene, frames)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
    assert (found[:, 2] > -0.2).all()  # the cameras stand above the plinth
    assert demo_photos().is_dir()


def test_four_of_a_ring_are_its_quarters():
    assert sorted(sphere.spread(ring(12), 4)) == [0, 3, 6, 9]
    assert sorted(sphere.spread(ring(12), 12)) == list(range(12))


@pytest.mark.parametrize(("degrees", "count"), [(70.0, 3), (190.0, 7), (360.0, 12)])
def test_a_sector_holds_its_part_of_a_ring(degrees, count):
    chosen = sphere.in_sector(ring(12), degrees)
    assert len(chosen) == count
    assert 0 in chosen
    turned = sphere.in_sector(ring(12), degrees, middle=180.0)
    assert 6 in turned


def test_angles_to_the_nearest_photo():
    found = sphere.nearest_degrees(ring(12), ring(12)[[0, 6]])
    np.testing.assert_allclose(found, [0, 30, 60, 90, 60, 30, 0, 30, 60, 90, 60, 30], atol=1e-5)


def test_the_map_puts_the_zenith_in_its_middle_and_the_horizon_on_its_rim():
    x, y = sphere.from_above(np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]]))
    np.testing.assert_allclose(np.stack([x, y], axis=1), [[0, 0], [1, 0], [0, 1]], atol=1e-9)


def test_the_hemisphere_is_the_inverse_of_the_map():
    side = 32
    towards, inside = sphere.hemisphere(side)
    np.testing.assert_allclose(np.linalg.norm(towards, axis=1), 1)
    assert (towards[:, 2] > 0).all()
    assert inside.sum() == len(towards) == pytest.approx(np.pi / 4 * side**2, rel=0.02)
    x, y = sphere.from_above(towards)
    index = np.flatnonzero(inside)
    np.testing.assert_allclose(x, (index % side + 0.5) / side * 2 - 1, atol=1e-9)
    np.testing.assert_allclose(y, 1 - (index // side + 0.5) / side * 2, atol=1e-9)


def test_a_triangle_hides_what_is_behind_it_only():
    corners = np.array([[0, 0, 1.0], [1, 0, 1], [0, 1, 1]])
    mesh = Mesh(corners, np.array([[0, 1, 2]]))
    up, inside, outside = [0, 0, 1.0], [0.2, 0.2, 0], [0.8, 0.8, 0]
    origins = np.array([inside, outside, [0.2, 0.2, 2]])
    free = sphere.unobstructed(mesh, origins, np.array([up, up, up]))
    assert free.tolist() == [False, True, True]
    aside = sphere.unobstructed(mesh, origins, np.array([[1.0, 0, 0]] * 3))
    assert aside.all()  # parallel to the triangle
