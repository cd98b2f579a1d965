"""Whether poses are read as they were meant: every misreading is told, and no sound set is."""

from __future__ import annotations

import numpy as np
import pytest

from rayfield.core.types import Camera
from rayfield.data.check.axes import FLIP, Score, better, check_axes, judge, readings
from rayfield.data.check.coverage import sphere
from rayfield.data.synthetic import look_at_origin

LENS = Camera(96, 72, 100.0, 100.0, 48.0, 36.0, np.eye(4))
DAMAGE = {
    "as is": lambda m: m,
    "inverted": np.linalg.inv,
    "flipped": lambda m: m @ FLIP,
    "inverted and flipped": lambda m: np.linalg.inv(m @ FLIP),
}


def inward(wobble: float, *, cap: float = -1.0, count: int = 60) -> np.ndarray:
    """World-from-camera poses (OpenCV's axes) that look about `wobble` past the origin."""
    rng = np.random.default_rng(0)
    places = [place for place in sphere(count) if place[2] > cap]
    poses = np.stack([look_at_origin(4 * place) for place in places])
    poses[:, :3, 3] += rng.normal(0, wobble, (len(poses), 3))
    return poses


def outward(count: int = 40) -> np.ndarray:
    """Cameras in the middle of a room that look at its walls."""
    rng = np.random.default_rng(0)
    poses = np.stack([look_at_origin(-place) for place in sphere(count)])
    poses[:, :3, 3] = rng.uniform(-0.5, 0.5, (count, 3))
    return poses


def ahead(count: int = 30) -> np.ndarray:
    """A forward-facing capture: nearly parallel axes that drift apart a little."""
    rng = np.random.default_rng(0)
    poses = np.tile(look_at_origin(np.array([0, -4.0, 0])), (count, 1, 1))
    poses[:, :3, 3] = rng.uniform(-1, 1, (count, 3))
    return poses


def scores_of(poses, points=None, axes=FLIP):
    return {
        name: judge(read, [LENS] * len(poses), points)
        for name, read in readings(poses @ axes, axes).items()
    }


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("wobble", [0.0, 0.3])
@pytest.mark.parametrize("cap", [-1.0, 0.3])
def test_the_reading_that_mends_the_damage_is_suggested(damage, wobble, cap):
    true = inward(wobble, cap=cap)
    poses = DAMAGE[damage](true @ FLIP) @ FLIP
    name = better(scores_of(poses))
    assert name == (None if damage == "as is" else damage)
    if name is not None:
        assert np.allclose(readings(poses @ FLIP, FLIP)[name], true, atol=1e-9)


@pytest.mark.parametrize("poses", [outward(), ahead(), inward(0.5)])
def test_other_sound_captures_are_left_alone(poses):
    assert better(scores_of(poses)) is None
    assert check_axes(scores_of(poses), mendable=True) == []


@pytest.mark.parametrize("damage", DAMAGE)
def test_sparse_points_tell_also_of_forward_facing_captures(damage):
    rng = np.random.default_rng(0)
    away = np.array([3.0, -20.0, 8.0])  # a world with its origin elsewhere
    points = away + rng.uniform((-3, 3, -3), (3, 9, 3), (500, 3))
    true = ahead()
    true[:, :3, 3] += away
    poses = DAMAGE[damage](true @ FLIP) @ FLIP
    assert better(scores_of(poses, points)) == (None if damage == "as is" else damage)


def test_points_all_round_do_not_mislead_about_a_room():
    assert better(scores_of(outward(), 6 * sphere(500))) is None


def test_the_finding_says_what_was_given_and_what_to_do():
    poses = np.linalg.inv(inward(0.1))
    (found,) = check_axes(scores_of(poses), mendable=True)
    assert (found.level, found.kind) == ("error", "axes")
    assert "camera-from-world" in found.what
    assert "--fix -o" in found.fix


def test_points_that_no_reading_sees_are_a_warning():
    scores = {name: Score(0.1, 1.0, 0.5, 0.0) for name in DAMAGE}
    (found,) = check_axes(scores, mendable=True)
    assert (found.level, found.kind) == ("warning", "axes")
