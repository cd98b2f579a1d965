"""Cameras in and out of run folders and frames."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from rayfield.app.learned import cameras as cams
from rayfield.core.check import DataError, UsageError
from rayfield.core.types import Camera
from rayfield.math.rays import project


def rigid(seed: int) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    pose[:3, 3] = np.random.default_rng(seed).normal(size=3)
    return pose


def similarity(seed: int, scale: float) -> np.ndarray:
    matrix = rigid(seed)
    matrix[:3, :3] *= scale
    return matrix


CAMERA = Camera(40, 30, 50.0, 51.0, 21.0, 14.0, rigid(0), (0.1, -0.02))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 250.0])
def test_to_scene_undoes_to_world_and_keeps_poses_rigid(scale):
    matrix, pose = similarity(1, scale), rigid(2)
    world = cams.to_world(pose, matrix)
    rotation = world[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(cams.to_scene(world, matrix), pose, atol=1e-9)
    assert cams.scale_of(matrix) == pytest.approx(scale)


@pytest.mark.parametrize("size", [(80, 60), (40, 90), (200, 30)])
def test_a_resized_picture_shows_the_whole_old_one(size):
    resized = cams.resized(CAMERA, *size)
    rng = np.random.default_rng(0)
    local = rng.uniform([-0.3, -0.2, 1], [0.3, 0.2, 3], (50, 3))
    points = torch.from_numpy(local @ CAMERA.pose[:3, :3].T + CAMERA.pose[:3, 3])
    old, new = (project(camera, points)[0].numpy() for camera in (CAMERA, resized))
    scale = min(size[0] / 40, size[1] / 30)
    np.testing.assert_allclose(
        new - 0.5 * np.array(size), scale * (old - 0.5 * np.array([40, 30])), atol=1e-9
    )


@pytest.mark.parametrize("size", [(0, 10), (10, -1), (20_000, 10), (16_000, 16_000)])
def test_absurd_sizes_are_refused(size):
    with pytest.raises(UsageError, match="cannot be made"):
        cams.resized(CAMERA, *size)


def test_limited_keeps_the_proportions():
    small = cams.limited(CAMERA, 20)
    assert (small.width, small.height) == (20, 15)
    assert small.fx / small.width == pytest.approx(CAMERA.fx / CAMERA.width)
    assert cams.limited(CAMERA, 100) == CAMERA or cams.limited(CAMERA, 100).width == 40


def test_cameras_come_back_from_their_file_bit_for_bit(tmp_path):
    named = (cams.NamedCamera("a é.png", "train", CAMERA), cams.NamedCamera("b", "test", CAMERA))
    cams.save_cameras(tmp_path / "cameras.json", named)
    for (name, split, camera), found in zip(
        named, cams.load_cameras(tmp_path / "cameras.json"), strict=True
    ):
        assert (name, split) == (found.name, found.split)
        assert np.array_equal(camera.pose, found.camera.pose)
        assert (camera.fx, camera.distortion) == (found.camera.fx, found.camera.distortion)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 0},
        {"fx": -1},
        {"fx": "wide"},
        {"cx": 1e400},
        {"world_from_camera": [[1, 0], [0, 1]]},
        {"world_from_camera": "identity"},
        {"distortion": [0] * 10},
        {"lens": "fisheye", "distortion": [0] * 5},
        {"lens": "panorama"},
        {"distortion": None},
    ],
)
def test_damaged_camera_files_are_bad_data(tmp_path, change):
    path = tmp_path / "cameras.json"
    cams.save_cameras(path, (cams.NamedCamera("a", "train", CAMERA),))
    content = json.loads(path.read_text())
    content["cameras"][0] |= change
    path.write_text(json.dumps(content).replace("Infinity", "1e999"))
    with pytest.raises(DataError, match="camera 0 is not a camera"):
        cams.load_cameras(path)


def test_cameras_of_runs_before_there_were_fisheyes_are_perspective(tmp_path):
    path = tmp_path / "cameras.json"
    cams.save_cameras(path, (cams.NamedCamera("a", "train", CAMERA),))
    content = json.loads(path.read_text())
    del content["cameras"][0]["lens"]
    path.write_text(json.dumps(content))
    assert cams.load_cameras(path)[0].camera.lens == "perspective"


def test_fisheyes_return_from_the_file(tmp_path):
    path = tmp_path / "cameras.json"
    wide = replace(CAMERA, lens="fisheye", distortion=(0.1, 0.02, 0.003, 0.004))
    cams.save_cameras(path, (cams.NamedCamera("a", "train", wide),))
    found = cams.load_cameras(path)[0].camera
    assert (found.lens, found.distortion) == ("fisheye", wide.distortion)


def test_a_camera_file_without_cameras_is_bad_data(tmp_path):
    (tmp_path / "cameras.json").write_text("{}")
    with pytest.raises(DataError, match="holds no cameras"):
        cams.load_cameras(tmp_path / "cameras.json")
