"""Whether cameras stand where depth can be learned from."""

from __future__ import annotations

import numpy as np
import pytest

from rayfield.data.check.coverage import sphere
from rayfield.data.check.poses import LITTLE_PARALLAX, check_poses, widest
from rayfield.data.synthetic import look_at_origin


def levels(findings) -> list[tuple[str, str]]:
    return [(f.level, f.kind) for f in findings]


def at(places: np.ndarray) -> np.ndarray:
    return np.stack([look_at_origin(np.asarray(place, float)) for place in places])


def test_cameras_all_round_a_subject_are_fine(captured):
    assert check_poses(captured()) == []


def test_one_image_is_too_few(captured):
    assert levels(check_poses(captured(at(sphere(2))))) == [("error", "poses")]


def test_few_images_are_a_warning(captured):
    found = check_poses(captured(at(4 * sphere(8))))
    assert levels(found) == [("warning", "poses")]
    assert "only 7 images" in found[0].what


def test_cameras_at_one_point_are_an_error_wherever_it_is(captured):
    poses = at(sphere(20))
    for place in ((0, 0, 0), (5000.0, -3000.0, 1.0)):
        poses[:, :3, 3] = place
        (found,) = check_poses(captured(poses))
        assert found.level == "error"
        assert "at one point" in found.what


def test_cameras_on_a_line_are_a_warning(captured):
    places = np.stack([np.linspace(-3, 3, 20), np.full(20, -4.0), np.full(20, 1.0)], axis=1)
    (found,) = check_poses(captured(at(places)))
    assert found.level == "warning"
    assert "on one line" in found.what


@pytest.mark.parametrize(("width", "level"), [(0.1, "warning"), (0.005, "error")])
def test_cameras_close_together_have_no_parallax(captured, width, level):
    rng = np.random.default_rng(0)
    places = np.array([0, -4.0, 1]) + rng.uniform(-width, width, (20, 3))
    (found,) = check_poses(captured(at(places)))
    assert found.level == level
    assert "parallax" in found.what


@pytest.mark.parametrize("spread", [1e-3, 0.02, 0.5])
def test_the_widest_angle_is_that_of_all_pairs(spread):
    """Between cameras that stand close together to a hundredth of a degree; else it is not."""
    rng = np.random.default_rng(0)
    arms = np.array([0.3, 0.5, 0.8]) + spread * rng.normal(size=(300, 3))
    arms /= np.linalg.norm(arms, axis=1, keepdims=True)
    exact = np.degrees(np.arccos((arms @ arms.T).min()))
    assert widest(arms) <= exact + 1e-6
    if exact < LITTLE_PARALLAX:
        assert widest(arms) > exact - 0.01
    else:
        assert widest(arms) > LITTLE_PARALLAX


def test_pictures_that_share_a_pose_are_named(captured):
    poses = at(4 * sphere(30))
    poses[4] = poses[3]
    (found,) = check_poses(captured(poses))
    assert (found.level, found.where) == ("warning", ("3.png", "4.png"))
