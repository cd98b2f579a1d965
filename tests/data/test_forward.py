"""Which captures are forward-facing, and the frustum of their mean camera."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from rayfield.core.types import Camera
from rayfield.data import llff
from rayfield.data.forward import forward_frustum, mean_pose
from rayfield.data.load import load_scene
from rayfield.math import ndc
from rayfield.math.rays import camera_rays

RNG = np.random.default_rng(0)


def rotation(axis, degrees):
    axis = np.asarray(axis, dtype=float) / np.linalg.norm(axis)
    k = np.cross(np.eye(3), axis)
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def row_of_cameras(count=9, *, turned=0.0, spread=0.2, step=0.0):
    """Cameras that look along +z from about the origin, turned alternately about y."""
    found = []
    for i in range(count):
        pose = np.eye(4)
        pose[:3, :3] = rotation((0, 1, 0), turned * (-1) ** i * (i > 0))
        pose[:3, 3] = (spread * (i - count // 2), 0.05 * i, step * i)
        found.append(Camera(40, 30, 33.0, 33.0, 20.0, 15.0, pose))
    return found


def test_cameras_that_look_one_way_get_the_frustum_of_their_mean():
    cameras = row_of_cameras()
    numbers = forward_frustum(cameras, 3.0)
    f = ndc.frustum(numbers, like=torch.zeros((), dtype=torch.float64))
    np.testing.assert_allclose(f.axes.numpy(), np.eye(3), atol=1e-12)
    np.testing.assert_allclose(f.centre.numpy(), (0, 0.2, 0), atol=1e-12)
    assert f.near == pytest.approx(0.75 * 3)
    np.testing.assert_allclose(f.half.numpy(), (20 / 33, 15 / 33))


@pytest.mark.parametrize(
    ("cameras", "nearest"),
    [
        (row_of_cameras(), None),
        (row_of_cameras(turned=35), 3.0),
        (row_of_cameras(step=1.0), 3.0),
        ([replace(c, fx=4.0, fy=4.0) for c in row_of_cameras()], 3.0),
    ],
    ids=["unknown depth", "turned apart", "one beyond the near plane", "very wide lens"],
)
def test_other_cameras_get_none(cameras, nearest):
    assert forward_frustum(cameras, nearest) == ()


def test_cameras_round_a_subject_are_not_forward_facing(ring):
    assert forward_frustum(list(ring.values()), 3.0) == ()


def test_real_captures_round_a_subject_are_not_forward_facing(data_dir):
    for name in ("colmap_cup", "ngp_fox"):
        assert load_scene(data_dir / name, downscale=4).traits.forward == ()


def test_the_mean_pose_is_rigid_and_that_of_equal_cameras():
    pose = row_of_cameras(turned=20)[1].pose
    np.testing.assert_allclose(mean_pose(np.stack([pose, pose])), pose, atol=1e-12)
    mixed = mean_pose(np.stack([c.pose for c in row_of_cameras(turned=20)]))
    np.testing.assert_allclose(mixed[:3, :3] @ mixed[:3, :3].T, np.eye(3), atol=1e-12)


def released_recentred(rows):
    """load_llff_data: bounds and poses scaled by 1 / (0.75 min bound), recentred."""
    poses = rows[:, :15].reshape(-1, 3, 5)
    poses = np.concatenate([poses[:, :, 1:2], -poses[:, :, 0:1], poses[:, :, 2:4]], axis=-1)
    poses[:, :, 3] /= 0.75 * rows[:, 15].min()
    unit = lambda v: v / np.linalg.norm(v)  # noqa: E731
    z = unit(poses[:, :, 2].sum(0))
    x = unit(np.cross(poses[:, :, 1].sum(0), z))
    reference = np.eye(4)
    reference[:3] = np.stack([x, unit(np.cross(z, x)), z, poses[:, :, 3].mean(0)], axis=1)
    square = np.tile(np.eye(4), (len(poses), 1, 1))
    square[:, :3] = poses
    return np.linalg.inv(reference) @ square


def test_fern_is_warped_as_by_the_released_code(data_dir):
    """Near plane 1 after its scaling; its y points up where ours points down."""
    path = data_dir / "llff_poses" / "fern.npy"
    rows = llff.read_poses_bounds(path)
    cameras = [llff.camera_of(row, path, "x") for row in rows]
    numbers = forward_frustum(cameras, float(rows[:, 15].min()))
    f = ndc.frustum(numbers, like=torch.zeros((), dtype=torch.float64))
    width, height, focal = 4032, 3024, rows[0, 14]
    pixels = torch.tensor(RNG.uniform(0, 3000, (50, 2)))
    for camera, pose in zip(cameras, released_recentred(rows), strict=True):
        i, j = pixels.numpy().T
        local = np.stack([(i - width / 2) / focal, -(j - height / 2) / focal, -np.ones(50)], -1)
        d = local @ pose[:3, :3].T
        o = np.broadcast_to(pose[:3, 3], d.shape)
        o = o + (-(1 + o[:, 2]) / d[:, 2])[:, None] * d
        a, b = -2 * focal / width, -2 * focal / height
        origin = np.stack([a * o[:, 0] / o[:, 2], b * o[:, 1] / o[:, 2], 1 + 2 / o[:, 2]], -1)
        slopes = d[:, :2] / d[:, 2:] - o[:, :2] / o[:, 2:]
        direction = np.stack([a * slopes[:, 0], b * slopes[:, 1], -2 / o[:, 2]], -1)
        got_origin, got_direction = ndc.warp_rays(*camera_rays(camera, pixels), f)
        flip = np.array([1, -1, 1])
        np.testing.assert_allclose(got_origin.numpy() * flip, origin, atol=1e-9)
        np.testing.assert_allclose(got_direction.numpy() * flip, direction, atol=1e-9)


def test_deciding_takes_a_moment_even_for_a_thousand_cameras():
    started = time.perf_counter()
    forward_frustum(row_of_cameras(1000, spread=0.001), 3.0)
    assert time.perf_counter() - started < 1
