"""LLFF's poses_bounds.npy as written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from rayfield.data.detect import read_capture
from rayfield.data.llff import read_poses_bounds
from rayfield.data.scene import Ball
from rayfield.data.writers.llff import write
from rayfield.math.rays import project


def rows_of(root, capture):
    write(root, capture)
    return read_poses_bounds(root / "poses_bounds.npy")


def by_name(capture):
    return sorted(capture.frames, key=lambda frame: frame.name)


def test_depths_are_those_of_the_points_that_a_picture_shows(capture_dir):
    root = capture_dir("colmap")
    points = np.random.default_rng(0).normal((1, 2, 3), 0.5, (400, 3))
    capture = replace(read_capture(root), points=points)
    for row, frame in zip(rows_of(root, capture), by_name(capture), strict=True):
        pixels, depth = project(frame.camera, torch.from_numpy(points))
        inside = ((pixels >= 0) & (pixels < torch.tensor([24, 16]))).all(1)
        seen = depth[inside].numpy()
        assert seen.min() <= row[15] <= np.percentile(seen, 2)
        assert np.percentile(seen, 98) <= row[16] <= seen.max()


def test_depths_that_files_tell_go_along(capture_dir):
    root = capture_dir("ngp")
    capture = read_capture(root)
    frames = tuple(replace(f, bounds=(1.0 + i, 20.0)) for i, f in enumerate(capture.frames))
    capture = replace(capture, frames=frames)
    near = [frame.bounds[0] for frame in by_name(capture)]
    assert rows_of(root, capture)[:, 15].tolist() == near


def test_without_points_depths_are_those_of_the_ball(capture_dir):
    root = capture_dir("ngp")
    capture = replace(read_capture(root), ball=Ball(np.array([1.0, 2.0, 3.0]), 0.75))
    for row, frame in zip(rows_of(root, capture), by_name(capture), strict=True):
        distance = np.linalg.norm(frame.camera.pose[:3, 3] - (1, 2, 3))
        assert np.allclose(row[15:], (distance - 0.75, 4 * (distance + 0.75)))


def test_a_camera_in_the_midst_still_has_depths_that_are_possible(capture_dir):
    root = capture_dir("ngp")
    capture = replace(read_capture(root), ball=Ball(np.array([1.0, 2.0, 3.0]), 50.0))
    rows = rows_of(root, capture)
    assert (rows[:, 15] > 0).all()
    assert (rows[:, 16] > rows[:, 15]).all()
