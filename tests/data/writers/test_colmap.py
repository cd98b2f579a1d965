"""COLMAP models as written: read by COLMAP itself, where it is installed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rayfield.core.types import Camera
from rayfield.data import colmap
from rayfield.data.colmap_binary import read_cameras, read_images
from rayfield.data.scene import Capture, Frame
from rayfield.data.writers.colmap import expressed, place, write_binary, write_text
from rayfield.math.rays import project

FISHEYE = (0.06, -0.012, 0.004, -0.0008)


@pytest.fixture
def written(data_dir, tmp_path):
    """A part of the real capture, with some lenses changed, written in both forms."""
    whole = colmap.read(data_dir / "colmap_cup")
    count = 12
    frames = list(whole.frames[:count])
    lenses = (
        {"distortion": (0.05, -0.02)},
        {"distortion": FISHEYE, "lens": "fisheye"},
        {"fy": 600.0},
    )
    for i, change in enumerate(lenses):
        frames[i] = replace(frames[i], camera=replace(frames[i].camera, **change))
    seen = whole.sparse.sightings
    mine = seen.frame < count
    sparse = whole.sparse._replace(sightings=type(seen)(*(column[mine] for column in seen)))
    capture = replace(whole, frames=tuple(frames), sparse=sparse)
    roots = tmp_path / "binary", tmp_path / "text"
    for root, write in zip(roots, (write_binary, write_text), strict=True):
        write(root, capture)
    return capture, [root / "sparse" / "0" for root in roots]


def test_colmap_reads_what_was_written(written):
    pycolmap = pytest.importorskip("pycolmap")
    capture, folders = written
    for folder in folders:
        model = pycolmap.Reconstruction(folder)
        assert model.num_reg_images() == 12
        assert model.num_points3D() == len(capture.points)
        images = {image.name: image for image in model.images.values()}
        for frame in capture.frames:
            image = images[frame.name.removeprefix("images/")]
            camera_from_world = np.linalg.inv(frame.camera.pose)[:3]
            assert np.abs(image.cam_from_world().matrix() - camera_from_world).max() < 1e-9
            near = (capture.points @ camera_from_world[:, :3].T + camera_from_world[:, 3])[:, 2] > 1
            points = capture.points[near][:50]
            pixels, _ = project(frame.camera, torch.from_numpy(points))
            local = points @ camera_from_world[:, :3].T + camera_from_world[:, 3]
            theirs = image.camera.img_from_cam(local)
            assert np.abs(pixels.numpy() - theirs).max() < 1e-6
        seen = capture.sparse.sightings
        lengths = np.bincount(seen.point, minlength=len(capture.points))
        tracks = [model.points3D[i + 1].track.length() for i in range(len(capture.points))]
        assert np.array_equal(lengths, tracks)
        assert np.array_equal(model.points3D[5].color, capture.sparse.colors[4])


def test_each_lens_is_of_the_simplest_model(written):
    _, (binary, _) = written
    models = {camera.model for camera in read_cameras(binary / "cameras.bin").values()}
    assert models == {"SIMPLE_PINHOLE", "PINHOLE", "OPENCV", "OPENCV_FISHEYE"}


def test_both_forms_say_the_same(written):
    capture, folders = written
    for folder in folders:
        root = folder.parents[1]
        (root / "images").symlink_to(capture.root / "images")
    texts = [(folder / "images.txt").exists() for folder in folders]
    assert texts == [False, True]


def test_one_lens_for_all_is_one_camera(tmp_path, ring):
    frames = tuple(Frame(n, c, tmp_path / n, "train") for n, c in ring.items())
    write_binary(tmp_path, Capture(tmp_path, "made", frames, None, ()))
    sparse = tmp_path / "sparse" / "0"
    assert len(read_cameras(sparse / "cameras.bin")) == 1
    assert {image.camera for image in read_images(sparse / "images.bin")} == {1}


def test_names_in_text_models_have_no_spaces(tmp_path, ring):
    camera = next(iter(ring.values()))
    frames = [Frame(f"pictures/{n}", camera, tmp_path, "train") for n in ("a b.png", "c\td.png")]
    assert place(frames) == ["images/a_b.png", "images/c_d.png"]


def test_only_a_coefficient_of_r8_is_too_much():
    camera = Camera(4, 4, 1.0, 1.0, 2.0, 2.0, np.eye(4), (0.1,) * 8)
    assert expressed(camera)
    assert not expressed(replace(camera, distortion=(*[0.0] * 8, 0.1)))
