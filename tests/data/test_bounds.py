"""How near content may be, and the ball of a subject in whole photos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rayfield.core.types import Camera
from rayfield.data.bounds import (
    BALL,
    ROOM,
    SPAN,
    near_plane,
    nearest_content,
    not_around,
    shown_around,
    sightings,
    subject_ball,
)
from rayfield.data.load import load_scene
from rayfield.data.scene import Frame

CENTRE = np.array([1.0, 2.0, 3.0])
DISTANCE = 4.0


def ring(count: int = 12, *, focal: float = 100.0) -> tuple[Frame, ...]:
    """Cameras with pictures of 100x80 pixels all around CENTRE, level with it."""
    frames = []
    for i in range(count):
        angle = 2 * np.pi * i / count
        back = np.array([np.cos(angle), np.sin(angle), 0.0])
        pose = np.eye(4)
        pose[:3, :3] = np.stack([np.cross([0, 0, -1.0], -back), [0, 0, -1.0], -back], axis=1)
        pose[:3, 3] = CENTRE + DISTANCE * back
        camera = Camera(100, 80, focal, focal, 50.0, 40.0, pose)
        frames.append(Frame(f"{i}.png", camera, Path(f"{i}.png"), "train"))
    return tuple(frames)


def ball(count: int, radius: float) -> np.ndarray:
    """Points all over a sphere about CENTRE."""
    found = np.random.default_rng(0).normal(size=(count, 3))
    return CENTRE + radius * found / np.linalg.norm(found, axis=1, keepdims=True)


def around(frames, *, points=None):
    distances = np.array([np.linalg.norm(f.camera.pose[:3, 3] - CENTRE) for f in frames])
    return subject_ball(frames, CENTRE, distances, seen=sightings(frames, points))


def test_points_that_most_photos_show_tell_the_ball_and_the_background_does_not():
    points = np.concatenate([ball(300, 0.5), ball(500, 30.0)])
    found = around(ring(), points=points)
    assert found.radius == pytest.approx(ROOM * 0.5)
    assert "sparse points" in found.told_by


def test_without_enough_points_photos_tell_the_ball():
    for points in (None, ball(99, 0.5), ball(300, 30.0)):
        found = around(ring(), points=points)
        # 40 pixels above the middle at a focal length of 100
        assert found.radius == pytest.approx(SPAN * DISTANCE * 40 / np.hypot(100, 40))
        assert found.told_by == "what most photos show"


def test_no_ball_reaches_the_cameras():
    wide = around(ring(focal=20.0))
    assert wide.radius == pytest.approx(BALL * DISTANCE)
    assert wide.told_by == "where the cameras stand"
    near = around(ring(focal=20.0), points=ball(300, 0.98 * BALL * DISTANCE))
    assert near.radius == pytest.approx(BALL * DISTANCE)


def test_the_ball_that_a_photo_shows_whole_touches_the_nearest_side_of_its_view():
    frame = ring()[0]
    radius = shown_around(frame, CENTRE)
    forward, down = frame.camera.pose[:3, 2], frame.camera.pose[:3, 1]
    side = (100 * down - 40 * forward) / np.hypot(100, 40)  # across the lower side of the view
    touching = CENTRE + radius * side - frame.camera.pose[:3, 3]
    assert (touching @ down) / (touching @ forward) == pytest.approx(40 / 100)
    high = replace(frame, camera=replace(frame.camera, cy=10.0))
    assert shown_around(high, CENTRE) == pytest.approx(DISTANCE * 10 / np.hypot(100, 10))
    assert shown_around(frame, CENTRE + 10 * down) < 0


def test_near_is_half_the_nearest_content_within_limits():
    distances = np.full(5, 4.0)
    assert near_plane(None, distances) == pytest.approx(0.4)
    assert near_plane(1.0, distances) == 0.5
    assert near_plane(1e-9, distances) == pytest.approx(0.04)
    assert near_plane(100.0, distances) == 2.0
    seen = sightings(ring(), ball(1000, 1.0))
    assert nearest_content(seen) == pytest.approx(3.0, abs=0.05)
    assert nearest_content(None) is None
    assert nearest_content(sightings(ring(), ball(200, 1.0) + 1e6)) is None


def test_cameras_within_the_ball_or_turned_away_are_told_if_they_are_many():
    poses = np.stack([frame.camera.pose for frame in ring(10)])
    assert not_around(poses, CENTRE, 1.0) is None
    near, turned = poses.copy(), poses.copy()
    near[:3, :3, 3] = CENTRE + 0.2 * (near[:3, :3, 3] - CENTRE)
    turned[:3] = turned[:3] @ np.diag([-1.0, 1, -1, 1])
    for odd in (near, turned):
        said = not_around(odd, CENTRE, 1.0)
        assert said is not None
        assert said.startswith("3 of 10 cameras stand within the ball of the subject or look away")
        assert not_around(odd[1:], CENTRE, 1.0) is not None
        assert not_around(odd[2:], CENTRE, 1.0) is None


def test_a_cup_stands_in_its_ball_and_cameras_around_it(data_dir):
    scene = load_scene(data_dir / "colmap_cup")
    assert "sparse points" in scene.told_by
    poses = np.stack([frame.camera.pose for frame in scene.split("train")])
    distances = np.linalg.norm(poses[:, :3, 3], axis=1)
    assert 0.3 < scene.traits.ball < distances.min()
