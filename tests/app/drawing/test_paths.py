"""Camera paths."""

from __future__ import annotations

import numpy as np
import pytest

from rayfield.app.drawing import paths
from rayfield.core.types import Camera

UP = np.array([0.0, 0.0, 1.0])


def ring(azimuths: np.ndarray, *, elevation: float = 0.5, distance: float = 3.0) -> list[Camera]:
    """Cameras looking at the origin."""
    cameras = []
    for a in azimuths:
        flat = np.array([np.cos(a) * np.cos(elevation), np.sin(a) * np.cos(elevation)])
        eye = distance * np.append(flat, np.sin(elevation))
        pose = paths.look_at(eye, np.zeros(3), UP)
        cameras.append(Camera(40, 30, 50.0, 50.0, 20.0, 15.0, pose))
    return cameras


def centres(cameras: list[Camera]) -> np.ndarray:
    return np.stack([camera.pose[:3, 3] for camera in cameras])


def test_look_at_gives_a_rotation_that_looks_at_the_target_with_up_up():
    eye, target = np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.5, 0.0])
    pose = paths.look_at(eye, target, UP)
    rotation = pose[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    np.testing.assert_allclose(np.cross(pose[:3, 2], target - eye), 0, atol=1e-12)
    assert pose[2, 1] < 0  # y is down
    assert pose[2, 0] == pytest.approx(0)  # the horizon is level


def test_a_turntable_is_one_even_turn_at_the_photos_height_and_distance():
    photos = ring(np.arange(20) * 2 * np.pi / 20, elevation=0.4, distance=2.5)
    turn = paths.turntable(photos, 36)
    place = centres(turn)
    np.testing.assert_allclose(np.linalg.norm(place, axis=1), 2.5, rtol=1e-6)
    np.testing.assert_allclose(place[:, 2], 2.5 * np.sin(0.4), rtol=1e-6)
    azimuth = np.unwrap(np.arctan2(place[:, 1], place[:, 0]))
    np.testing.assert_allclose(np.diff(azimuth), 2 * np.pi / 36, rtol=1e-9)
    for camera in turn:
        np.testing.assert_allclose(np.cross(camera.pose[:3, 2], camera.pose[:3, 3]), 0, atol=1e-9)


@pytest.mark.parametrize("start", [0.0, 2.5, -3.0])
def test_a_turntable_stays_on_the_arc_that_photos_cover(start):
    arc = np.radians(120)
    photos = ring(start + np.linspace(0, arc, 15))
    place = centres(paths.turntable(photos, 50))
    azimuth = (np.arctan2(place[:, 1], place[:, 0]) - start) % (2 * np.pi)
    assert azimuth.min() >= 0
    assert azimuth.max() <= arc
    assert np.ptp(azimuth) > 0.9 * arc


def test_the_covered_arc_is_found_across_the_seam_of_the_angles():
    angles = np.radians([170, 175, -178, -170, 160])
    low, high = paths.covered_arc(angles)
    assert np.degrees([low, high - low]) == pytest.approx([160, 30])


def test_the_turntable_of_tilted_cameras_keeps_their_up():
    photos = ring(np.arange(12) * 2 * np.pi / 12)
    turn = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # the world lies on its side
    tilted = []
    for camera in photos:
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = turn @ camera.pose[:3, :3], turn @ camera.pose[:3, 3]
        tilted.append(Camera(40, 30, 50.0, 50.0, 20.0, 15.0, pose))
    place = centres(paths.turntable(tilted, 24)) @ turn
    np.testing.assert_allclose(place[:, 2], 3 * np.sin(0.5), rtol=1e-6)


def test_interpolation_keeps_a_constant_speed_and_rigid_poses():
    photos = ring(np.linspace(0, 3, 14))
    path = paths.interpolate(photos, 200)
    steps = np.linalg.norm(np.diff(centres(path), axis=0), axis=1)
    np.testing.assert_allclose(steps, steps.mean(), rtol=0.05)
    for camera in path[::20]:
        rotation = camera.pose[:3, :3]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)


def test_interpolation_goes_round_the_subject_not_through_it():
    photos = ring(np.array([0.0, 2.0, 4.0]), elevation=0.3)
    distance = np.linalg.norm(centres(paths.interpolate(photos, 60)), axis=1)
    np.testing.assert_allclose(distance, 3.0, rtol=1e-6)


def test_interpolation_keeps_near_the_photos_from_the_first_to_the_last():
    photos = ring(np.linspace(0, 2, 30))
    place, near = centres(paths.interpolate(photos, 50)), centres(photos)
    assert np.linalg.norm(place[:, None] - near[None], axis=-1).min(axis=1).max() < 0.15
    np.testing.assert_allclose(place[[0, -1]], near[[0, -1]], atol=0.3)


def test_interpolation_turns_no_faster_where_photos_lie_close():
    gaps = np.tile([0.01, 0.01, 0.4], 8)
    path = paths.interpolate(ring(np.cumsum(gaps)), 300)
    forward = np.stack([camera.pose[:3, 2] for camera in path])
    turns = np.linalg.norm(np.diff(forward, axis=0), axis=1)
    assert turns.max() < 2 * turns.mean()


def test_interpolation_cuts_across_a_gap_that_no_photo_shows():
    angles = np.concatenate([np.linspace(0, 0.5, 20), np.linspace(2, 2.5, 20)])
    forward = np.stack([camera.pose[:3, 2] for camera in paths.interpolate(ring(angles), 400)])
    at = np.arctan2(*forward[:, [1, 0]].T) - np.arctan2(forward[0, 1], forward[0, 0])
    at = np.abs((at + np.pi) % (2 * np.pi) - np.pi)
    steps = np.diff(at)
    assert (steps > 0.5).sum() == 1  # the cut
    assert steps[steps < 0.5].max() < 3 * steps.mean()
    assert (steps >= -1e-9).all()
    assert not ((at > 0.9) & (at < 1.6)).any()


def test_a_few_photos_far_apart_leave_the_whole_way():
    at = centres(paths.interpolate(ring(np.linspace(0, 3, 4)), 200))
    steps = np.linalg.norm(np.diff(at, axis=0), axis=1)
    assert steps.max() < 3 * steps.mean()


def test_the_lonelier_a_place_the_further_the_third_photo():
    marks = np.zeros((5, 9))
    marks[:, 0] = np.arange(5)  # the third photo from each is 2 away, or 3 at the ends
    way = np.zeros((3, 9))
    way[:, 0] = 2, 4, 10
    np.testing.assert_allclose(paths.lonely(way, marks, 1.0), [1 / 4, 2 / 4, 8 / 4])


def test_what_lies_shortly_between_two_cuts_is_left_out():
    near = np.zeros(1000, dtype=bool)
    near[100:400] = near[500:510] = True
    way = np.arange(1000.0)[:, None]
    at = paths._hurried(way, np.where(near, 0.5, 2), 300)[:, 0]
    assert at.min() == 100
    assert at.max() == 399


def test_photos_in_no_order_are_visited_from_neighbour_to_neighbour():
    rng = np.random.default_rng(0)
    along = rng.permutation(30)
    points = np.stack([along, 0.01 * along**2, 0 * along], axis=1).astype(float)
    visited = along[paths.visiting_order(points)]
    assert np.array_equal(visited, np.sort(along)) or np.array_equal(visited, np.sort(along)[::-1])


def test_photos_taken_one_after_the_other_keep_their_order():
    points = np.stack([np.arange(20), np.zeros(20), np.sin(np.arange(20))], axis=1)
    assert np.array_equal(paths.visiting_order(points), np.arange(20))


def test_one_photo_makes_a_still():
    path = paths.interpolate(ring(np.zeros(1)), 5)
    assert len(path) == 5
    assert np.array_equal(path[0].pose, path[4].pose)
