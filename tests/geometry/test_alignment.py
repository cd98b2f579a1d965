"""Similarities between sets of points and cameras."""

from __future__ import annotations

import numpy as np
import pytest

from rayfield.geometry.alignment import pose_errors, similarity


def rotation(rng: np.random.Generator) -> np.ndarray:
    q, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return q * np.sign(np.linalg.det(q))


def turn(axis: int, degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[i, i], matrix[j, j], matrix[i, j], matrix[j, i] = c, c, -s, s
    return matrix


def poses(rng: np.random.Generator, count: int) -> np.ndarray:
    found = np.tile(np.eye(4), (count, 1, 1))
    found[:, :3, :3] = [rotation(rng) for _ in range(count)]
    found[:, :3, 3] = rng.standard_normal((count, 3))
    return found


def make_similarity(rng: np.random.Generator) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = rng.uniform(0.1, 10) * rotation(rng)
    matrix[:3, 3] = rng.standard_normal(3)
    return matrix


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [3, 4, 50])
def test_a_similarity_is_found_again(seed, count):
    rng = np.random.default_rng(seed)
    points, true = rng.standard_normal((count, 3)), make_similarity(rng)
    assert np.allclose(similarity(points, points @ true[:3, :3].T + true[:3, 3]), true, atol=1e-9)


def test_no_other_similarity_near_it_fits_noisy_points_better():
    rng = np.random.default_rng(0)
    source, target = rng.standard_normal((20, 3)), rng.standard_normal((20, 3))

    def left(matrix: np.ndarray) -> float:
        return float(((source @ matrix[:3, :3].T + matrix[:3, 3] - target) ** 2).sum())

    best = similarity(source, target)
    for axis in range(3):
        for step in (-1e-3, 1e-3):
            shifted, turned = best.copy(), best.copy()
            shifted[axis, 3] += step
            turned[:3, :3] = turn(axis, 60 * step) @ best[:3, :3]
            assert left(shifted) > left(best)
            assert left(turned) > left(best)
    for factor in (0.999, 1.001):
        scaled = best.copy()
        scaled[:3, :3] *= factor
        assert left(scaled) > left(best)


def test_mirrored_points_are_turned_and_not_mirrored():
    rng = np.random.default_rng(1)
    points = rng.standard_normal((30, 3))
    assert np.linalg.det(similarity(points, points * [-1, 1, 1])[:3, :3]) > 0


@pytest.mark.parametrize(
    "points", [np.zeros((5, 3)), np.outer(np.arange(5.0), [1, 2, 3]), np.eye(3)[:2]]
)
def test_points_that_leave_it_open_are_refused(points):
    with pytest.raises(ValueError, match="not on a line"):
        similarity(points, points)


def test_cameras_in_another_frame_are_no_error():
    rng = np.random.default_rng(2)
    true, move = poses(rng, 12), make_similarity(rng)
    found = move @ true
    found[:, :3, :3] /= np.cbrt(np.linalg.det(move[:3, :3]))
    errors = pose_errors(found, true)
    assert errors.distance.max() < 1e-9
    assert errors.angle.max() < 1e-6


@pytest.mark.parametrize("degrees", [0.01, 1.0, 90.0, 179.0])
def test_a_turned_camera_is_off_by_its_angle(degrees):
    rng = np.random.default_rng(3)
    true = poses(rng, 8)
    found = true.copy()
    found[4, :3, :3] = found[4, :3, :3] @ turn(1, degrees)
    errors = pose_errors(found, true)
    assert errors.angle[4] == pytest.approx(degrees, rel=1e-6)
    assert np.delete(errors.angle, 4).max() < 1e-6


def test_distances_are_in_the_units_of_the_true_cameras():
    rng = np.random.default_rng(4)
    true = poses(rng, 2000)
    off = true.copy()
    off[0, :3, 3] += [0.3, 0, 0]
    off[:, :3, 3] *= 100
    assert pose_errors(off, true).distance[0] == pytest.approx(0.3, rel=1e-2)
