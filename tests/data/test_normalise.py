"""The scene frame: a similarity that can be undone, and guards against degenerate cameras."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from rayfield.core.check import DataError
from rayfield.data.detect import read_capture
from rayfield.data.load import load_scene
from rayfield.data.normalise import nearest_to_axes, normalise, upright
from rayfield.data.scene import placed
from rayfield.math.rays import project

FORMS = ("ngp", "colmap")


def returned(scene):
    """The scene's poses back in the world."""
    linear = scene.world_from_scene[:3, :3]
    scale = np.cbrt(np.linalg.det(linear))
    poses = []
    for frame in scene.frames:
        pose = scene.world_from_scene @ frame.camera.pose
        pose[:3, :3] /= scale
        poses.append(pose)
    return np.stack(poses)


def captures(data_dir):
    return [read_capture(data_dir / d) for d in ("nerf_synthetic/chair", "ngp_fox", "colmap_cup")]


def test_world_from_scene_returns_every_pose_within_1e_9(data_dir):
    for capture in captures(data_dir):
        scene = normalise(capture)
        poses = np.stack([frame.camera.pose for frame in capture.frames])
        assert np.abs(returned(scene) - poses).max() < 1e-9


def test_scene_poses_are_rigid_and_world_from_scene_is_a_similarity(data_dir):
    for capture in captures(data_dir):
        scene = normalise(capture)
        for frame in scene.frames:
            rotation = frame.camera.pose[:3, :3]
            assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        linear = scene.world_from_scene[:3, :3]
        scale = np.cbrt(np.linalg.det(linear))
        assert scale > 0
        assert np.allclose(linear @ linear.T, scale**2 * np.eye(3), atol=1e-9 * scale**2)


@pytest.mark.parametrize("form", FORMS)
def test_unbounded_scenes_have_up_along_z_and_cameras_in_the_unit_ball(form, capture_dir):
    scene = load_scene(capture_dir(form))
    poses = np.stack([frame.camera.pose for frame in scene.split("train")])
    distances = np.linalg.norm(poses[:, :3, 3], axis=1)
    assert distances.max() == pytest.approx(1)
    up = -poses[:, :3, 1].mean(axis=0)
    assert np.allclose(up / np.linalg.norm(up), (0, 0, 1), atol=1e-9)
    assert not scene.traits.bounded
    assert 0 < scene.traits.near < distances.min()
    assert 0.1 < scene.traits.ball < distances.min()


def test_what_tells_where_the_subject_is_is_kept(capture_dir, make_ring):
    cut = capture_dir("blender", mode="RGBA", cameras=make_ring(11, lens=()))
    assert load_scene(cut).told_by == "the silhouettes"
    assert load_scene(capture_dir("ngp")).told_by == "what most photos show"


def test_rooms_walked_through_are_told(capture_dir, make_ring):
    around = read_capture(capture_dir("ngp", cameras=make_ring(40)))
    rng, poses = np.random.default_rng(1), []
    for angle in rng.uniform(0, 2 * np.pi, 40):
        forward, down = np.array([np.cos(angle), np.sin(angle), 0]), np.array([0, 0, -1.0])
        pose = np.eye(4)
        pose[:3, :3] = np.stack([np.cross(down, forward), down, forward], axis=1)
        pose[:3, 3] = rng.uniform(-2, 2, 3)
        poses.append(pose)
    scene = normalise(with_poses(around, poses))
    assert any("cameras stand within the ball" in note for note in scene.notes)
    assert not any("stand within" in note for note in normalise(around).notes)


def test_cameras_inside_a_cut_out_subject_are_told(capture_dir, make_ring):
    cameras, name = make_ring(11, lens=()), "images/img5.png"
    inside = cameras[name].pose.copy()
    inside[:3, 3] = (1.02, 2.01, 3.03)
    cameras[name] = replace(cameras[name], pose=inside)
    scene = load_scene(capture_dir("ngp", mode="RGBA", cameras=cameras))
    assert scene.traits.bounded
    assert any("1 of 9 cameras stand inside the box of the subject" in n for n in scene.notes)


def test_the_centre_is_where_the_cameras_look(capture_dir):
    scene = load_scene(capture_dir("ngp"))
    assert np.allclose(scene.world_from_scene[:3, 3], (1, 2, 3), atol=1e-9)


def test_pictures_with_alpha_make_a_bounded_scene_with_the_worlds_axes(capture_dir, make_ring):
    scene = load_scene(capture_dir("blender", mode="RGBA", cameras=make_ring(11, lens=())))
    assert scene.traits.bounded
    assert scene.traits.alpha
    linear = scene.world_from_scene[:3, :3]
    assert np.allclose(linear, linear[0, 0] * np.eye(3))
    # a disc of radius 4 px at distance 4.3 and focal length 30 is a ball of radius 0.57
    assert 0.57 < linear[0, 0] < 1.2
    assert np.abs(scene.world_from_scene[:3, 3] - (1, 2, 3)).max() < 0.25


def test_opaque_alpha_does_not_make_a_scene_bounded(capture_dir, ring):
    root = capture_dir("ngp", mode="RGBA")
    for name in ring:
        Image.open(root / name).convert("RGB").convert("RGBA").save(root / name)
    scene = load_scene(root)
    assert not scene.traits.bounded
    assert not scene.traits.alpha


def test_alpha_in_some_pictures_only_is_noted(capture_dir, ring):
    root = capture_dir("ngp", mode="RGBA")
    for name in list(ring)[:4]:
        Image.open(root / name).convert("RGB").save(root / name)
    scene = load_scene(root)
    assert scene.traits.alpha
    assert not scene.traits.bounded
    assert any("of 9 training images carry alpha, the rest not" in note for note in scene.notes)


def test_sparse_points_set_near(data_dir):
    scene = load_scene(data_dir / "colmap_cup")
    capture = read_capture(data_dir / "colmap_cup")
    assert capture.points is not None
    inverse = np.linalg.inv(scene.world_from_scene)
    points = capture.points @ inverse[:3, :3].T + inverse[:3, 3]
    closer = total = 0
    for frame in scene.split("train"):
        pixels, depth = project(frame.camera, torch.from_numpy(points))
        size = torch.tensor([frame.camera.width, frame.camera.height])
        seen = ((pixels >= 0) & (pixels < size)).all(dim=-1) & (depth > 0)
        nearer = seen & (depth < 2 * scene.traits.near)
        closer, total = closer + int(nearer.sum()), total + int(seen.sum())
    assert closer / total == pytest.approx(1e-3, rel=0.05)


def test_a_million_points_are_judged_by_some_of_them(capture_dir, monkeypatch):
    capture = read_capture(capture_dir("colmap"))
    points = capture.points.mean(axis=0) + torch.randn(40_000, 3).numpy() / 10
    whole = normalise(replace(capture, points=points)).traits.near
    monkeypatch.setattr("rayfield.data.bounds.JUDGED", 1000)
    asked = []
    monkeypatch.setattr(
        "rayfield.data.bounds.project",
        lambda camera, some: (asked.append(len(some)), project(camera, some))[1],
    )
    assert normalise(replace(capture, points=points)).traits.near == pytest.approx(whole, rel=0.05)
    assert set(asked) == {1000}


@pytest.mark.parametrize("form", FORMS)
def test_a_scene_in_another_frame_shows_the_same_world(form, capture_dir):
    scene = load_scene(capture_dir(form))
    elsewhere = np.eye(4)
    elsewhere[:3] = [[0, -2.5, 0, 7], [2.5, 0, 0, -1], [0, 0, 2.5, 3]]
    moved = placed(scene, elsewhere, scene.traits)
    assert np.allclose(returned(moved), returned(scene), atol=1e-12)
    for frame in moved.frames:
        rotation = frame.camera.pose[:3, :3]
        assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert placed(scene, scene.world_from_scene.copy(), scene.traits) is scene


def test_nearest_point_to_crossing_axes_is_their_crossing(ring):
    poses = np.stack([camera.pose for camera in ring.values()])
    assert np.allclose(nearest_to_axes(poses), (1, 2, 3))


def test_parallel_axes_have_no_nearest_point_unless_pulled():
    poses = np.stack([np.eye(4)] * 3)
    poses[:, 0, 3] = (0, 1, 2)
    assert nearest_to_axes(poses) is None
    pulled = nearest_to_axes(poses, towards=np.array([1.0, 0.0, 5.0]))
    assert np.allclose(pulled, (1, 0, 5))


def with_poses(capture, poses):
    frames = tuple(
        replace(frame, camera=replace(frame.camera, pose=pose))
        for frame, pose in zip(capture.frames, poses, strict=True)
    )
    return replace(capture, frames=frames)


def test_parallel_cameras_get_a_centre_in_front_of_them(capture_dir):
    capture = read_capture(capture_dir("ngp"))
    poses = np.stack([np.eye(4)] * len(capture.frames))
    poses[:, 0, 3] = np.arange(len(poses))
    scene = normalise(with_poses(capture, poses))
    assert scene.world_from_scene[2, 3] > 0
    assert np.isfinite(scene.world_from_scene).all()


@pytest.mark.parametrize("up", [(0, 0, 1), (0, 0, -1), (1, 2, 3), (0, 1, 0)])
def test_upright_is_a_proper_rotation_that_takes_z_to_up(up):
    pose = np.eye(4)
    direction = np.array(up) / np.linalg.norm(up)
    pose[:3, 1] = -direction
    rotation = upright(pose[None])
    assert np.allclose(rotation @ rotation.T, np.eye(3))
    assert np.linalg.det(rotation) == pytest.approx(1)
    assert np.allclose(rotation[:, 2], direction)


def test_poses_given_the_wrong_way_round_are_suspected(capture_dir):
    capture = read_capture(capture_dir("ngp"))
    flipped = [f.camera.pose @ np.diag([1.0, -1, -1, 1]) for f in capture.frames]
    scene = normalise(with_poses(capture, flipped))
    assert any("look away from each other" in note for note in scene.notes)
    assert not any("look away" in note for note in normalise(capture).notes)


@pytest.mark.parametrize("kind", ["one", "same point", "same pose"])
def test_cameras_without_parallax_are_refused(kind, capture_dir):
    capture = read_capture(capture_dir("ngp"))
    if kind == "one":
        capture = replace(capture, frames=capture.frames[:1])
    else:
        poses = np.stack([frame.camera.pose for frame in capture.frames])
        poses[:, :3, 3] = (5.0, 6.0, 7.0)
        if kind == "same pose":
            poses[:] = poses[0]
        capture = with_poses(capture, poses)
    says = "has 1 usable training image;" if kind == "one" else "cameras at one point"
    with pytest.raises(DataError, match=says):
        normalise(capture)


def test_far_away_worlds_keep_their_precision(capture_dir):
    capture = read_capture(capture_dir("ngp"))
    poses = np.stack([frame.camera.pose for frame in capture.frames])
    near = normalise(with_poses(capture, poses))
    poses[:, :3, 3] += 1e7
    far = normalise(with_poses(capture, poses))
    for a, b in zip(near.frames, far.frames, strict=True):
        assert np.allclose(a.camera.pose, b.camera.pose, atol=1e-6)
