"""Visual hulls of shapes whose box is known."""

from __future__ import annotations

import numpy as np
import pytest

from rayfield.core.types import Camera
from rayfield.data.hull import View, hull_box

CENTRE = np.array([0.4, -0.2, 0.1])


def sphere_views(
    radius: float, *, focal: float = 60.0, count: int = 14, arc: float | None = None
) -> list[View]:
    """Silhouettes of a sphere about CENTRE, from all around or an arc (radians), at distance 4."""
    rng = np.random.default_rng(0)
    views = []
    for index in range(count):
        away = rng.normal(size=3)
        if arc is not None:
            turn = arc * (index / (count - 1) - 0.5)
            away = np.array([np.cos(turn), np.sin(turn), 0.0])
        away /= np.linalg.norm(away)
        right = np.cross(away, rng.normal(size=3))
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(-away, right), -away], axis=1)
        pose[:3, 3] = CENTRE + 4 * away
        camera = Camera(64, 64, focal, focal, 32.0, 32.0, pose)
        row, column = np.mgrid[:64, :64] + 0.5
        angle = np.arctan(np.hypot(row - 32, column - 32) / focal)
        alpha = np.where(angle <= np.arcsin(radius / 4), 255, 0).astype(np.uint8)
        views.append(View(camera, alpha))
    return views


def test_hull_box_contains_the_sphere_and_hardly_more():
    box = hull_box(sphere_views(0.8), np.zeros(3), 3.6)
    assert box is not None
    lower, upper = box
    assert (lower <= CENTRE - 0.8).all()
    assert (upper >= CENTRE + 0.8).all()
    assert (upper - lower).max() < 2 * 0.8 * 1.25


def test_hull_box_contains_a_subject_that_no_picture_shows_whole():
    box = hull_box(sphere_views(1.6, focal=120.0), CENTRE, 3.6)
    assert box is not None
    assert (box[0] <= CENTRE - 1.2).all()
    assert (box[1] >= CENTRE + 1.2).all()


def test_photos_from_an_arc_leave_hardly_more_than_their_cones_share():
    box = hull_box(sphere_views(1.0, focal=90.0, arc=np.pi / 3), CENTRE, 3.6)
    assert box is not None
    assert (box[0] <= CENTRE - 1).all()
    assert (box[1] >= CENTRE + 1).all()
    depth, *across = box[1] - box[0]
    cone = np.arcsin(1 / 4)  # the outermost two cross before and behind the sphere
    assert depth < 1.2 * (1 / np.sin(np.pi / 6 + cone) + 1 / np.sin(np.pi / 6 - cone))
    assert max(across) < 3.2


def test_empty_pictures_carve_nothing():
    views = sphere_views(0.8)
    blank = View(views[0].camera, np.zeros_like(views[0].alpha))
    with_blank = hull_box([*views, blank], np.zeros(3), 3.6)
    without = hull_box(views, np.zeros(3), 3.6)
    assert with_blank is not None
    assert without is not None
    assert np.allclose(with_blank, without)


def test_contradicting_silhouettes_have_no_hull():
    views = sphere_views(0.3)
    aside = [View(v.camera, np.roll(v.alpha, 20 * (-1) ** i, 1)) for i, v in enumerate(views)]
    assert hull_box(aside, CENTRE, 3.6) is None


@pytest.mark.parametrize("unit", [1e-3, 1e3])
def test_hull_box_follows_the_units_of_the_world(unit):
    scaled = []
    for camera, alpha in sphere_views(0.8):
        pose = camera.pose.copy()
        pose[:3, 3] *= unit
        scaled.append(View(Camera(64, 64, 60.0, 60.0, 32.0, 32.0, pose), alpha))
    box = hull_box(scaled, np.zeros(3), 3.6 * unit)
    expected = hull_box(sphere_views(0.8), np.zeros(3), 3.6)
    assert box is not None
    assert expected is not None
    assert np.allclose(np.array(box) / unit, expected, rtol=1e-6)
