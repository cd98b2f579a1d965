"""The globe's colours are those of the directions they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from rayfield.app.check.globe import PIXELS, picture, sides
from rayfield.data.check.box import Subject
from rayfield.data.check.coverage import Coverage, sphere

LEVEL = Subject(np.zeros(3), 1.0, True, np.eye(3))


def covered(directions) -> Coverage:
    return Coverage(LEVEL, directions, tuple(map(str, range(len(directions)))), 0.5, ())


def is_blue(pixels) -> np.ndarray:
    return pixels[..., 2].astype(int) > pixels[..., 0]


def test_the_sides_are_opposite_right_handed_and_start_at_the_photos():
    directions = sphere(400)
    first, second = sides(covered(directions[directions[:, 1] > 0.3]))
    assert np.allclose(first[2], -second[2])
    assert first[2] @ [0, 1, 0] > 0.85
    for view in (first, second):
        assert np.allclose(view @ view.T, np.eye(3))
        assert np.linalg.det(view) == pytest.approx(1)
        assert view[1, 2] > 0  # up is up


def test_half_a_sphere_of_photos_is_blue_and_the_far_side_orange():
    directions = sphere(400)
    coverage = covered(directions[directions[:, 1] > 0])
    first, second = (picture(coverage, view) for view in sides(coverage))
    middle = slice(PIXELS // 2 - 30, PIXELS // 2 + 30)
    assert is_blue(first[middle, middle]).mean() > 0.9
    assert is_blue(second[middle, middle]).mean() < 0.1
    assert first[0, 0, 3] == 0  # beside the globe
    inside = first[..., 3] > 0
    assert inside.mean() == pytest.approx(np.pi / 4, abs=0.01)


def test_one_photo_covers_thirty_degrees():
    eye = sides(covered(np.array([[0.0, 1.0, 0.0]])))[0]
    image = picture(covered(eye[2:3]), eye)
    share = is_blue(image).sum() / (image[..., 3] > 0).sum()
    assert share == pytest.approx(np.sin(np.radians(30)) ** 2, abs=0.02)
