"""Points at the same place are one, in the order they come."""

from __future__ import annotations

import numpy as np

from rayfield.geometry.places import places


def test_places_are_numbered_as_they_first_appear():
    points = np.array([[1.0, 2, 3], [0, 0, 0], [1, 2, 3], [-0.0, 0, 0], [1, 2, 4]])
    found = places(points)
    assert found.first.tolist() == [0, 1, 4]
    assert found.of_point.tolist() == [0, 1, 0, 1, 2]


def test_places_agree_with_brute_force():
    points = np.random.default_rng(0).integers(0, 3, (200, 3)).astype(float)
    found = places(points)
    np.testing.assert_array_equal(points[found.first][found.of_point], points)
    assert len(found.first) == len({tuple(p) for p in points.tolist()})
    assert (np.diff(found.first) > 0).all()


def test_no_points_have_no_places():
    assert len(places(np.zeros((0, 3))).first) == 0
