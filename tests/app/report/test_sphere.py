"""Coverage of the sphere: against solid angles that are known."""

from __future__ import annotations

import re

import numpy as np
import pytest

from rayfield.app.drawing.paths import look_at
from rayfield.app.learned.cameras import NamedCamera
from rayfield.app.report.sphere import (
    HEIGHT,
    LIMITS,
    WIDTH,
    around,
    classes,
    coverage,
    directions,
    sphere_map,
)
from rayfield.core.types import Camera


def camera(eye, *, up=(0, 0, 1), target=(0, 0, 0)) -> NamedCamera:
    pose = look_at(np.array(eye, float), np.array(target, float), np.array(up, float))
    return NamedCamera("a", "train", Camera(10, 10, 10.0, 10.0, 5.0, 5.0, pose))


def cap(angle: float) -> float:
    """The part of the sphere within an angle, in degrees, of a direction."""
    return (1 - np.cos(np.radians(angle))) / 2


def test_one_camera_covers_the_cap_about_it():
    seen = directions([camera((3, 0, 0))], around([camera((3, 0, 0))], np.eye(4)))
    found = coverage(classes(seen))
    assert found.well == pytest.approx(cap(LIMITS[0]), rel=0.06)
    assert found.seen == pytest.approx(cap(LIMITS[1]), rel=0.03)
    assert found.above == pytest.approx(found.seen, rel=0.03)  # half of it, of half a sphere


def test_no_camera_covers_nothing_and_many_cover_everything():
    assert coverage(classes(np.zeros((0, 3)))).seen == 0
    i = np.arange(400)
    z, turn = 1 - (2 * i + 1) / 400, i * np.pi * (3 - np.sqrt(5))
    ring = np.sqrt(1 - z**2)
    everywhere = np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=1)
    assert coverage(classes(everywhere)).well == pytest.approx(1.0)


@pytest.mark.parametrize("up", [(0, 0, 1), (0, 1, 0), (0, -1, 0), (0.6, 0.8, 0)])
def test_up_is_as_the_cameras_are_held(up):
    side = np.cross(up, [0.3, 0.5, 0.9])
    eyes = [3 * side, -2 * np.cross(up, side), 3 * side + np.array(up) * 0.5]
    frame = around([camera(eye, up=up) for eye in eyes], np.eye(4))
    np.testing.assert_allclose(frame.axes.T @ frame.axes, np.eye(3), atol=1e-12)
    assert np.linalg.det(frame.axes) == pytest.approx(1.0)
    assert frame.axes[:, 2] @ np.array(up) > 0.93
    if max(map(abs, up)) == 1:
        np.testing.assert_array_equal(frame.axes[:, 2], up)  # exactly along the axis


def test_the_middle_is_that_of_the_scene():
    world = np.eye(4)
    world[:3, 3] = [5, 6, 7]
    one = camera((5, 6, 10), up=(0, 1, 0), target=(5, 6, 7))
    frame = around([one], world)
    np.testing.assert_allclose(frame.axes @ directions([one], frame)[0], [0, 0, 1], atol=1e-12)


def test_the_map_keeps_areas_and_places_the_poles():
    seen = np.array([[0.0, 0, 1], [0, 0, -1], [1.0, 0, 0]])
    svg = sphere_map(classes(seen), seen, np.zeros((0, 3)))
    dots = np.array(re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg), dtype=float)
    middle = WIDTH / 2, HEIGHT / 2
    np.testing.assert_allclose(dots[:, 0], middle[0], atol=0.2)
    assert dots[0, 1] < 0.05 * HEIGHT
    assert dots[1, 1] > 0.95 * HEIGHT
    assert dots[2, 1] == pytest.approx(middle[1], abs=0.2)
    areas = np.zeros(3)
    for text, kind in re.findall(r'<polygon points="([^"]*)" class="seen(\d)"', svg):
        x, y = np.array([pair.split(",") for pair in text.split()], dtype=float).T
        areas[int(kind)] += abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    share = coverage(classes(seen))
    np.testing.assert_allclose(areas[0] / areas.sum(), share.well, rtol=0.03)
    np.testing.assert_allclose(areas[:2].sum() / areas.sum(), share.seen, rtol=0.02)
