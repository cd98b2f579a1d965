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
    found = local_fit.normals(points, cKDTree(points), 30)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
    assert np.abs((found * normals).sum(1)).min() > 0.9999


def test_normals_of_noisy_points_ask_more_neighbours_and_stay_close():
    points, normals = sphere(12_000, 0.005)
    tree = cKDTree(points)
    count = local_fit.neighbours_for(local_fit.measure(points, tree), len(points))
    clean, _ = sphere(12_000, 0.0)
    fewer = local_fit.neighbours_for(local_fit.measure(clean, cKDTree(clean)), len(points))
    assert count > 1.5 * fewer
    found = local_fit.normals(points, tree, count)
    assert np.abs((found * normals).sum(1)).mean() > 0.99


def test_few_points_use_what_there_is():
    points, _ = sphere(11, 0.0)
    tree = cKDTree(points)
    count = local_fit.neighbours_for(local_fit.measure(points, tree), len(points))
    assert count == 11
    assert np.isfinite(local_fit.normals(points, tree, count)).all()
