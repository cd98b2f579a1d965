"""Polygons to triangles: the same area and outline, whatever their shape."""

from __future__ import annotations

import numpy as np
import pytest

from rayfield.geometry import polygons as p
from rayfield.geometry.polygons import Polygons, color_bytes, triangulate


def ring(*flat: tuple[float, float]) -> np.ndarray:
    """A polygon of a tilted plane."""
    points = np.array([(x, y, 0.0) for x, y in flat])
    q, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    return points @ (q * np.linalg.det(q)).T + [3, 4, 5]


def cut(points: np.ndarray) -> np.ndarray:
    size = len(points)
    return triangulate(points, Polygons(np.array([size]), np.arange(size)))


def area_vectors(points, triangles):
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return np.cross(b - a, c - a) / 2


def star(n: int) -> np.ndarray:
    angle = np.arange(2 * n) * np.pi / n
    radius = np.where(np.arange(2 * n) % 2, 0.3, 1.0)
    return ring(*np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).tolist())


@pytest.mark.parametrize(
    "points",
    [
        ring((0, 0), (1, 0), (1, 1), (0, 1)),
        ring((0, 0), (2, 1), (0, 2), (0.5, 1)),  # a dart, its notch last
        ring((0.5, 1), (0, 0), (2, 1), (0, 2)),  # and first
        ring((0, 0), (1, 0), (2, 1), (1, 2), (0, 1)),
        ring((0, 0), (3, 0), (3, 1), (1, 1), (1, 3), (0, 3)),  # an L
        ring((0, 0), (1, 0), (2, 0), (2, 1), (0, 1)),  # three corners in a row
        star(5),
        star(12),
    ],
)
def test_triangles_cover_a_polygon_once_and_face_its_way(points):
    """Their areas add up to the polygon's, which overlaps or turned triangles would exceed."""
    triangles = cut(points)
    assert triangles.shape == (len(points) - 2, 3)
    each = area_vectors(points, triangles)
    moved = points - points[0]
    whole = np.cross(moved, np.roll(moved, -1, axis=0)).sum(axis=0) / 2
    np.testing.assert_allclose(each.sum(axis=0), whole, atol=1e-12)
    assert np.linalg.norm(each, axis=1).sum() == pytest.approx(np.linalg.norm(whole))


def test_polygons_of_all_sizes_stay_in_order():
    points = np.vstack([ring((0, 0), (1, 0), (1, 1), (0, 1)), star(4)])
    sizes, corners = (
        np.array([3, 2, 8, 4, 0, 3]),
        [0, 1, 2, 0, 1, *range(4, 12), 0, 1, 2, 3, 4, 5, 6],
    )
    found = triangulate(points, Polygons(sizes, np.array(corners)))
    assert found[0].tolist() == [0, 1, 2]
    assert set(found[1:7].ravel()) == set(range(4, 12))
    assert set(found[7:9].ravel()) == {0, 1, 2, 3}
    assert found[9].tolist() == [4, 5, 6]


def test_a_polygon_too_large_to_look_at_becomes_a_fan(monkeypatch):
    monkeypatch.setattr(p, "CLIPPING", 10)
    np.testing.assert_array_equal(cut(star(5))[:, 0], 0)


def test_degenerate_polygons_give_triangles_all_the_same():
    assert cut(np.zeros((6, 3))).shape == (4, 3)
    assert cut(np.outer(np.arange(5.0), [1, 2, 3])).shape == (3, 3)


def test_colours_are_bytes_from_either_scale():
    np.testing.assert_array_equal(color_bytes(np.array([[0, 0.5, 1.0]])), [[0, 128, 255]])
    np.testing.assert_array_equal(color_bytes(np.array([[0, 128, 300.0]])), [[0, 128, 255]])
    assert color_bytes(np.zeros((0, 3))).shape == (0, 3)
