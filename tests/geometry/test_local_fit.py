from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from rayfield.geometry import local_fit


def sphere(count: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points of the sphere of radius 0.4, off it by noise, and its normals."""
    random = np.random.default_rng(seed)
    normals = random.normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return 0.4 * normals + noise * random.normal(size=(count, 3)), normals


@pytest.mark.parametrize("noise", [0.002, 0.005])
def test_noise_is_found_from_the_points_alone(noise):
    points, _ = sphere(12_000, noise)
    assert local_fit.measure(points, cKDTree(points)).noise == pytest.approx(noise, rel=0.15)


def test_clean_points_have_hardly_any_noise():
    points, _ = sphere(12_000, 0.0)
    found = local_fit.measure(points, cKDTree(points))
    assert found.noise < 1e-4
    assert 0 < found.spacing < found.reach


def test_quadrics_have_the_normals_of_a_sphere():
    points, normals = sphere(6000, 0.0)
    found = local_fit.fitted(points, cKDTree(points), 30).normals
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
    assert np.abs((found * normals).sum(1)).min() > 0.9999


def test_normals_of_noisy_points_ask_more_neighbours_and_stay_close():
    points, normals = sphere(12_000, 0.005)
    tree = cKDTree(points)
    count = local_fit.neighbours_for(local_fit.measure(points, tree), len(points))
    clean, _ = sphere(12_000, 0.0)
    fewer = local_fit.neighbours_for(local_fit.measure(clean, cKDTree(clean)), len(points))
    assert count > 1.5 * fewer
    found = local_fit.fitted(points, tree, count).normals
    assert np.abs((found * normals).sum(1)).mean() > 0.99


def test_few_points_use_what_there_is():
    points, _ = sphere(11, 0.0)
    tree = cKDTree(points)
    count = local_fit.neighbours_for(local_fit.measure(points, tree), len(points))
    assert count == 11
    fit = local_fit.fitted(points, tree, count)
    for found in (*fit, *local_fit.settled(points, tree, fit)):
        assert np.isfinite(found).all()


def test_places_lie_on_quadrics_exactly():
    """z = x^2 - 0.5 x y: local heights over the plane at a point are a quadric there only in its
    own frame, so the middle alone is exact."""
    line = np.linspace(-0.1, 0.1, 15)
    x, y = (axis.ravel() for axis in np.meshgrid(line, line))
    points = np.stack([x, y, x * x - 0.5 * x * y], axis=1)
    middle = len(points) // 2
    moved = points.copy()
    moved[middle, 2] += 0.01  # off the others' surface
    fit = local_fit.Fitted(moved, np.tile([0.0, 0.0, 1.0], (len(points), 1)))
    found = local_fit.settled(points, cKDTree(points), fit)
    np.testing.assert_allclose(found.places[middle], [0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(np.abs(found.normals[middle]), [0, 0, 1], atol=1e-6)


def test_noise_is_smoothed_away_and_signs_of_normals_do_not_matter():
    points, normals = sphere(12_000, 0.005)
    tree = cKDTree(points)
    first = local_fit.fitted(points, tree, 100)
    found = local_fit.settled(points, tree, first)
    off = np.abs(np.linalg.norm(found.places, axis=1) - 0.4).mean()
    assert off < 0.3 * np.abs(np.linalg.norm(points, axis=1) - 0.4).mean()
    assert np.abs((found.normals * normals).sum(1)).mean() > 0.99
    signs = np.random.default_rng(1).choice([-1.0, 1.0], size=(len(points), 1))
    again = local_fit.settled(points, tree, first._replace(normals=signs * first.normals))
    np.testing.assert_allclose(again.places, found.places, atol=1e-9)


def edge(count: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Points of two faces of a cube that meet in the x axis, off them by noise, and distances."""
    random = np.random.default_rng(0)
    x, along = random.uniform(-0.2, 0.2, count), random.uniform(0, 0.2, count)
    upper = random.random(count) < 0.5
    points = np.stack([x, np.where(upper, along, 0), np.where(upper, 0, -along)], axis=1)
    points += noise * random.normal(size=points.shape)
    return points, (np.abs(x) < 0.15) & (along < 0.02)


def off_edge(places: np.ndarray) -> float:
    """Mean distance to the faces."""
    _, y, z = places.T
    return float(np.hypot(np.minimum(y, 0), z).clip(max=np.hypot(y, np.maximum(z, 0))).mean())


def test_edges_stay_sharper_than_with_plain_quadrics():
    points, near = edge(8000, 0.004)
    tree = cKDTree(points)
    first = local_fit.fitted(points, tree, 100)
    found = local_fit.settled(points, tree, first)
    assert off_edge(found.places[near]) < 0.75 * off_edge(first.places[near])
