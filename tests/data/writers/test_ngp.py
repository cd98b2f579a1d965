"""instant-ngp's transforms.json as written."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from rayfield.data.detect import read_capture
from rayfield.data.scene import Ball, Capture, Frame
from rayfield.data.writers.ngp import write


def listed(root, capture: Capture) -> dict:
    write(root, capture)
    return json.loads((root / "transforms.json").read_text())


def test_the_subject_is_put_into_the_unit_cube_and_the_cameras_into_the_wide_one(capture_dir):
    root = capture_dir("colmap")
    document = listed(root, read_capture(root))
    scale, offset = document["scale"], np.array(document["offset"])
    half = 0.5 * document["aabb_scale"]
    middle = scale * np.array([1.0, 2.0, 3.0]) + offset
    assert np.abs(middle - 0.5).max() < 0.3
    places = np.array([np.array(f["transform_matrix"])[:3, 3] for f in document["frames"]])
    assert np.abs(scale * places + offset - 0.5).max() < half
    assert document["aabb_scale"] in (1, 2, 4, 8, 16, 32, 64, 128)


def test_a_ball_that_files_name_becomes_the_box(capture_dir):
    root = capture_dir("colmap")
    capture = replace(read_capture(root), ball=Ball(np.array([1.0, 2.0, 3.0]), 0.5))
    document = listed(root, capture)
    assert document["aabb"] == [[0.5, 1.5, 2.5], [1.5, 2.5, 3.5]]
    assert document["scale"] == 1.0
    assert document["offset"] == [-0.5, -1.5, -2.5]


def test_a_fisheye_without_coefficients_is_not_taken_for_a_pinhole(capture_dir, make_ring):
    """instant-ngp has a fisheye only where a coefficient is not zero."""
    root = capture_dir("nerfstudio", cameras=make_ring(5, lens=(), kind="fisheye"))
    document = listed(root, read_capture(root))
    assert document["is_fisheye"] is True
    assert np.float32(document["k1"]) != 0


def test_lenses_are_told_once_or_for_each_frame(capture_dir, ring):
    root = capture_dir("colmap")
    capture = read_capture(root)
    assert "fl_x" not in listed(root, capture)["frames"][0]
    frames: list[Frame] = list(capture.frames)
    frames[2] = replace(frames[2], camera=replace(frames[2].camera, fx=33.0))
    document = listed(root, replace(capture, frames=tuple(frames)))
    assert "fl_x" not in document
    assert document["frames"][2]["fl_x"] == 33.0
    assert all("w" in frame for frame in document["frames"])  # cx is divided by it
