from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from rayfield.geometry import orientation


def sphere(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of a sphere in the unit cube, its outward normals, and those with random signs."""
    random = np.random.default_rng(seed)
    normals = random.normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return 0.5 + 0.35 * normals, normals, normals * random.choice([-1, 1], size=(count, 1))


def test_a_closed_shell_has_an_inside_and_an_outside():
    points, normals, _ = sphere(20_000)
    found = orientation.sides(points, 0.008)
    assert orientation.holds(found, points, normals)
    probes = np.array([[0.5, 0.5, 0.5], [0.05, 0.05, 0.05], [1.5, 0.5, 0.5]])
    assert orientation.side_of(found, probes).tolist() == [-1, 1, 1]
    assert (orientation.side_of(found, points) == 0).all()


def test_normals_of_a_closed_cloud_look_outwards():
    points, normals, given = sphere(20_000)
    found = orientation.sides(points, 0.008)
    turned = orientation.oriented(found, points, given, tree=cKDTree(points))
    assert ((turned * normals).sum(1) > 0.999).all()


def test_a_leaking_shell_is_noticed_and_signs_spread_from_the_top():
    points, normals, given = sphere(4000)
    open_below = points[:, 2] > 0.3
    points, normals, given = points[open_below], normals[open_below], given[open_below]
    found = orientation.sides(points, 0.016)
    assert not orientation.holds(found, points, normals)
    turned = orientation.oriented(found, points, given, tree=cKDTree(points))
    assert ((turned * normals).sum(1) > 0.999).all()
