"""COLMAP's form: folders, rescaled pictures, agreement with what COLMAP itself observed."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import torch
from PIL import Image

from rayfield.data import colmap
from rayfield.data.colmap_model import read_images, read_points
from rayfield.math.rays import project


def test_points_project_where_colmap_saw_them(data_dir):
    root = data_dir / "colmap_cup"
    capture = colmap.read(root)
    ids, positions = read_points(root / "sparse" / "0" / "points3D.bin")
    row = {int(key): i for i, key in enumerate(ids)}
    seen = {image.name: image for image in read_images(root / "sparse" / "0" / "images.bin")}
    errors = []
    for frame in capture.frames:
        image = seen[frame.name.removeprefix("images/")]
        matched = image.observed_points >= 0
        points = positions[[row[int(key)] for key in image.observed_points[matched]]]
        pixels, depth = project(frame.camera, torch.from_numpy(points))
        assert (depth > 0).all()
        errors.append(np.linalg.norm(pixels.numpy() - image.observed[matched], axis=1))
    assert sum(len(e) for e in errors) > 20_000
    assert np.median(np.concatenate(errors)) < 1.5


def test_the_model_may_lie_directly_in_sparse(tmp_path, ring, pictures, writers):
    pictures(tmp_path, ring)
    writers["colmap"](tmp_path, ring, folder="sparse")
    assert len(colmap.read(tmp_path).frames) == 11


def test_of_several_models_the_largest_is_used_and_named(capture_dir, make_ring, writers):
    root = capture_dir("colmap")
    writers["colmap"](root, make_ring(4), folder="sparse/1")
    capture = colmap.read(root)
    assert len(capture.frames) == 11
    assert "2 models: sparse/0 with 11 images is used" in capture.notes


def test_smaller_pictures_rescale_the_intrinsics(capture_dir):
    root = capture_dir("colmap")
    for path in (root / "images").iterdir():
        Image.open(path).reduce(2).save(path)
    capture = colmap.read(root)
    camera = capture.frames[0].camera
    assert (camera.width, camera.height, camera.fx, camera.cy) == (12, 8, 15.0, 3.75)
    assert any("11 of 11 listed images are 12x8" in note for note in capture.notes)


def test_without_a_folder_images_the_first_reduced_one_is_taken(capture_dir):
    root = capture_dir("colmap")
    (root / "images").rename(root / "images_1")
    assert colmap.read(root).frames[0].name == "images_1/img0.png"


def test_pictures_without_pose_and_poses_without_picture_are_noted(capture_dir):
    root = capture_dir("colmap")
    (root / "images" / "img3.png").rename(root / "images" / "stray.png")
    notes = colmap.read(root).notes
    assert "1 of 11 listed images do not exist: img3.png" in notes
    assert "1 images have no pose (not used): stray.png" in notes


@pytest.mark.parametrize(
    ("model", "parameters", "expected"),
    [
        (0, (30.0, 12.0, 8.0), (30.0, 30.0, 12.0, 8.0)),
        (1, (30.0, 31.0, 12.0, 8.0), (30.0, 31.0, 12.0, 8.0)),
        (2, (30.0, 12.0, 8.0, 0.1), (30.0, 30.0, 12.0, 8.0, 0.1)),
        (3, (30.0, 12.0, 8.0, 0.1, 0.2), (30.0, 30.0, 12.0, 8.0, 0.1, 0.2)),
        (
            6,
            (30.0, 31.0, 12.0, 8.0, 0.1, 0.2, 0.01, 0.02, 0.3, 0.01, 0.02, 0.03),
            (30.0, 31.0, 12.0, 8.0, 0.1, 0.2, 0.01, 0.02, 0.3, 0.01, 0.02, 0.03),
        ),
    ],
)
def test_supported_lens_models_become_opencv_coefficients(
    model, parameters, expected, capture_dir, write_lens
):
    root = capture_dir("colmap")
    write_lens(root, model, parameters)
    camera = colmap.read(root).frames[0].camera
    assert (camera.fx, camera.fy, camera.cx, camera.cy, *camera.distortion) == expected


@pytest.fixture
def write_lens():
    def write(root, model, parameters):
        head = struct.pack("<QiiQQ", 1, 7, model, 24, 16)
        lens = struct.pack(f"<{len(parameters)}d", *parameters)
        (root / "sparse" / "0" / "cameras.bin").write_bytes(head + lens)

    return write
