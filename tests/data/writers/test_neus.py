"""NeuS's cameras_sphere.npz as written: what NeuS's own code makes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rayfield.data.detect import read_capture
from rayfield.data.dtu import read_matrices
from rayfield.data.scene import Ball
from rayfield.data.writers.neus import mask_of, write
from rayfield.math.rays import project

BALL = Ball(np.array([1.0, 2.0, 3.0]), 0.8)


@pytest.fixture
def capture(capture_dir, make_ring):
    root = capture_dir("ngp", cameras=make_ring(11, lens=()))
    return replace(read_capture(root), ball=BALL)


def test_world_mat_projects_to_pixels_whose_centres_are_whole(capture):
    write(capture.root, capture)
    worlds, _ = read_matrices(capture.root / "cameras_sphere.npz")
    points = np.random.default_rng(0).normal((1, 2, 3), 0.5, (20, 3))
    for number, frame in enumerate(sorted(capture.frames, key=lambda f: f.name)):
        x, y, z = worlds[number] @ np.column_stack([points, np.ones(20)]).T
        pixels, depth = project(frame.camera, torch.from_numpy(points))
        assert np.allclose(np.stack([x / z, y / z], axis=1) + 0.5, pixels.numpy())
        assert np.allclose(z, depth.numpy())


def test_scale_mat_takes_the_unit_ball_to_the_subject(capture):
    write(capture.root, capture)
    _, scales = read_matrices(capture.root / "cameras_sphere.npz")
    for matrix in scales.values():
        assert np.allclose(matrix[:, 3], BALL.centre)
        assert np.allclose(matrix[:, :3], 0.8 * np.eye(3))


def test_a_ball_is_found_where_files_name_none(capture):
    write(capture.root, replace(capture, ball=None))
    _, scales = read_matrices(capture.root / "cameras_sphere.npz")
    places = np.stack([frame.camera.pose[:3, 3] for frame in capture.frames])
    centre, radius = scales[0][:, 3], scales[0][0, 0]
    assert np.linalg.norm(centre - BALL.centre) < 0.8
    assert (np.linalg.norm(places - centre, axis=1) > radius).all()


def test_masks_lie_beside_their_pictures():
    assert mask_of("image/007.png") == "mask/007.png"
