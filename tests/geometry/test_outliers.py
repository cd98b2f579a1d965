from __future__ import annotations

import numpy as np
import pytest

from rayfield.geometry.outliers import alone


def ball(count: int, *, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(count, 3))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_points_in_thin_air_are_found(share):
    surface = ball(20_000)
    stray = np.random.default_rng(1).uniform(-1.5, 1.5, (int(share * len(surface)), 3))
    found = alone(np.vstack([surface, stray]))
    off = np.abs(np.linalg.norm(stray, axis=1) - 1) > 0.2
    assert found[len(surface) :][off].mean() > 0.95
    assert not found[: len(surface)].any()


def test_a_sparse_part_of_a_surface_stays():
    points = ball(40_000)
    sparse = (points[:, 0] < 0) & (np.random.default_rng(1).random(len(points)) > 0.02)
    assert alone(points[~sparse]).mean() < 1e-3  # the density differs fifty times


@pytest.mark.parametrize("count", [1, 12, 13, 100])
def test_few_points_are_all_kept(count):
    assert not alone(ball(count)).any()
