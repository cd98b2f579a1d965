"""Which form a path has: folders that hold several, and files of cameras that are named."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from rayfield.core.check import DataError
from rayfield.data import detect
from rayfield.data.detect import names_cameras, read_capture
from rayfield.data.load import load_scene
from rayfield.math.rays import camera_rays, pixel_grid


@pytest.fixture
def mixed(capture_dir, make_ring, writers):
    """A folder whose cameras are there in three forms; COLMAP's has fewer pictures."""
    root = capture_dir("ngp")
    writers["colmap"](root, make_ring(5), folder="sparse/0")
    writers["colmap"](root, make_ring(7), folder="sparse/1")
    return root


def test_the_first_form_is_read_and_the_others_are_named(mixed):
    capture = read_capture(mixed)
    assert capture.format == "ngp"
    note = "also holds sparse/0/images.bin: name that file to read it instead"
    assert note in capture.notes


@pytest.mark.parametrize(
    ("path", "count"),
    [("sparse/0/images.bin", 5), ("sparse/1/cameras.bin", 7), ("sparse/0", 5), ("sparse/1", 7)],
)
def test_a_named_model_is_read_with_the_pictures_around_it(path, count, mixed):
    capture = read_capture(mixed / path)
    assert capture.format == "colmap"
    assert len(capture.frames) == count
    assert capture.root == mixed


def test_a_named_text_model_is_read_beside_a_binary_one(mixed):
    sparse = mixed / "sparse" / "0"
    lens = "7 OPENCV 24 16 30 31 12.5 7.5 0.05 -0.02 0.001 -0.0005"
    (sparse / "cameras.txt").write_text(lens)
    (sparse / "points3D.txt").write_text("")
    (sparse / "images.txt").write_text("1 1 0 0 0 0 0 0 7 img0.png\n\n2 1 0 0 0 1 0 0 7 img1.png\n")
    assert len(read_capture(sparse / "images.txt").frames) == 2
    assert len(read_capture(sparse / "images.bin").frames) == 5


def test_a_listing_of_another_name_is_read(mixed):
    (mixed / "transforms.json").rename(mixed / "transforms_2.json")
    assert read_capture(mixed / "transforms_2.json").format == "ngp"
    assert read_capture(mixed).format == "colmap"


def test_a_run_can_find_the_named_file_again(mixed):
    scene = load_scene(mixed / "sparse" / "1")
    assert scene.source == mixed / "sparse" / "1"
    assert scene.root == mixed
    assert load_scene(scene.source).fingerprint == scene.fingerprint
    assert load_scene(mixed).fingerprint != scene.fingerprint


@pytest.mark.parametrize("name", ["transforms.json", "sparse/0/images.bin"])
def test_files_of_cameras_are_told_from_others(name, mixed):
    assert names_cameras(mixed / name)
    for other in ("images/img0.png", "images", "none.json"):
        assert not names_cameras(mixed / other)


def test_another_file_is_told_what_can_be_named(mixed):
    with pytest.raises(DataError, match=r"is not a file of cameras; .* name transforms\.json"):
        read_capture(mixed / "images" / "img0.png")


def test_a_model_without_pictures_around_it_says_which_are_missing(mixed, tmp_path):
    shutil.move(mixed / "sparse" / "0", tmp_path / "alone")
    with pytest.raises(DataError, match="none of its 5 registered images exists"):
        read_capture(tmp_path / "alone")


def test_the_cup_is_the_same_as_colmap_and_as_llff(data_dir):
    """Equal up to one similarity; but LLFF's script writes the first lens for all pictures."""
    root = data_dir / "colmap_cup"
    model, rows = read_capture(root), read_capture(root / "poses_bounds.npy")
    assert (model.format, rows.format) == ("colmap", "llff")
    assert "also holds poses_bounds.npy: name that file to read it instead" in model.notes
    assert [f.name for f in model.frames] == [f.name for f in rows.frames]
    a, b = (np.stack([f.camera.pose for f in capture.frames]) for capture in (model, rows))
    turn = b[0, :3, :3] @ a[0, :3, :3].T
    spread = [np.linalg.norm(p[:, :3, 3] - p[:, :3, 3].mean(0)) for p in (a, b)]
    scale = spread[1] / spread[0]
    shift = b[:, :3, 3].mean(0) - scale * turn @ a[:, :3, 3].mean(0)
    assert np.abs(turn @ a[:, :3, :3] - b[:, :3, :3]).max() < 1e-6
    assert np.abs(scale * a[:, :3, 3] @ turn.T + shift - b[:, :3, 3]).max() < 1e-6 * spread[1]
    focal = model.frames[0].camera.fx
    for one, other in zip(model.frames, rows.frames, strict=True):
        pixels = pixel_grid(one.camera.width, one.camera.height)[::997]
        same = replace(one.camera, fx=focal, fy=focal)
        mine, theirs = (camera_rays(camera, pixels)[1] for camera in (same, other.camera))
        assert np.abs(mine.numpy() @ turn.T - theirs.numpy()).max() < 1e-6


def test_every_form_finds_nothing_in_a_folder_of_other_files(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "intrinsics.txt").write_text("1")
    assert not detect.holds_scene(tmp_path)
