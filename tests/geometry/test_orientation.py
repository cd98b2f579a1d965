from __future__ import annotations

import numpy as np
import pytest
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


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_discord_is_that_of_independent_signs(share):
    points, normals, _ = sphere(8000)
    signs = np.where(np.random.default_rng(1).random(len(points)) < share, -1.0, 1.0)
    found = orientation.discord(points, signs[:, None] * normals, cKDTree(points))
    assert found == pytest.approx(2 * share * (1 - share), abs=0.02)


def test_both_sides_of_a_thin_sheet_agree():
    random = np.random.default_rng(0)
    points = random.random((4000, 3)) * [1, 1, 0]
    up = np.where(random.random(4000) < 0.5, 1.0, -1.0)[:, None] * [0, 0, 1.0]
    points += 0.005 * up  # apart by less than half of what neighbours on a side are
    assert orientation.discord(points, up, cKDTree(points)) < 0.01
