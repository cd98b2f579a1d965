"""Loading whole data sets: detection, equality of the formats, the real captures."""

from __future__ import annotations

import time

import numpy as np
import pytest

from rayfield.core.check import DataError, UsageError
from rayfield.data import load
from rayfield.data.detect import read_capture
from rayfield.data.load import load_scene
from rayfield.data.photo import view_image
from rayfield.data.pixels import PixelSampler

FORMATS = ("blender", "ngp", "nerfstudio", "colmap")


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_of_the_same_cameras_gives_the_same_frames(form, capture_dir, ring):
    capture = read_capture(capture_dir(form))
    assert capture.format == form
    assert [frame.name for frame in capture.frames] == [f"images/img{i}.png" for i in range(11)]
    for frame in capture.frames:
        written = ring[frame.name]
        got = frame.camera
        assert (got.width, got.height) == (written.width, written.height)
        lens = (got.fx, got.fy, got.cx, got.cy, *got.distortion)
        expected = (written.fx, written.fy, written.cx, written.cy, *written.distortion)
        assert lens == pytest.approx((*expected, *([0.0] * (len(lens) - len(expected)))))
        assert np.allclose(got.pose, written.pose, atol=1e-12)


def test_every_form_is_split_alike(capture_dir):
    splits = [
        {frame.name: frame.split for frame in load_scene(capture_dir(form)).frames}
        for form in FORMATS
    ]
    assert all(split == splits[0] for split in splits)
    # in plain order img0, img1, img10, img2, ...: the 1st and the 9th
    assert {name for name, split in splits[0].items() if split == "test"} == {
        "images/img0.png",
        "images/img7.png",
    }


def test_chair_is_read_as_published(data_dir):
    start = time.process_time()
    scene = load_scene(data_dir / "nerf_synthetic" / "chair")
    PixelSampler(scene)
    for frame in scene.split("test"):
        view_image(frame)
    seconds = time.process_time() - start
    assert scene.format == "blender"
    assert [len(scene.split(s)) for s in ("train", "val", "test")] == [100, 25, 25]
    assert scene.traits.bounded
    assert scene.traits.alpha
    assert scene.notes == ()
    focal = 200 / np.tan(0.6911112 / 2)
    assert scene.frames[0].camera.fx == pytest.approx(focal, rel=1e-6)
    assert seconds < 12  # of processor: 3 s; this catches a return to minutes


def test_fox_names_the_pictures_that_do_not_exist(data_dir):
    scene = load_scene(data_dir / "ngp_fox")
    assert scene.format == "ngp"
    assert len(scene.frames) == 50
    assert scene.notes[0].startswith("17 of 67 listed images do not exist: images/0005.jpg, ")
    assert scene.notes[0].endswith(" ...")
    assert len(scene.split("test")) == 7
    assert scene.frames[0].camera.distortion[:2] == (0.0578421, -0.0805099)
    assert not scene.traits.bounded


def test_cup_has_its_pictures_and_points(data_dir):
    capture = read_capture(data_dir / "colmap_cup")
    assert capture.format == "colmap"
    assert len(capture.frames) == 77
    assert capture.points is not None
    assert len(capture.points) == 9262


def test_downscaling_divides_sizes_and_intrinsics(capture_dir):
    root = capture_dir("ngp")
    full, half = load_scene(root), load_scene(root, downscale=2)
    for a, b in zip(full.frames, half.frames, strict=True):
        assert (b.camera.width, b.camera.height) == (a.camera.width // 2, a.camera.height // 2)
        assert b.camera.fx == a.camera.fx / 2
        assert b.camera.cy == a.camera.cy / 2
        assert view_image(b).shape == (8, 12, 4)
    assert full.fingerprint != half.fingerprint


def test_downscale_below_one_is_refused(capture_dir):
    with pytest.raises(UsageError, match="downscale is 0"):
        load_scene(capture_dir("ngp"), downscale=0)


def test_pictures_beyond_the_memory_budget_are_reduced_with_a_note(capture_dir, monkeypatch):
    root = capture_dir("nerfstudio")
    # 9 training pictures of 24 x 16 RGBA, and one lens table
    monkeypatch.setattr(load, "BYTES_LIMIT", (9 * 4 + 12) * 24 * 16 // 4)
    scene = load_scene(root)
    assert scene.frames[0].camera.width == 12
    assert any("reduced 2 times" in note for note in scene.notes)
    assert sum(f.camera.width == 12 for f in scene.frames) == 11


def test_fingerprint_changes_with_poses_intrinsics_names_and_files(capture_dir, edit_json):
    root = capture_dir("ngp")
    seen = [load_scene(root).fingerprint]
    assert load_scene(root).fingerprint == seen[0]

    def moved(document):
        document["frames"][3]["transform_matrix"][0][3] += 0.01

    changes = (moved, lambda d: d.update(fl_x=30.5), lambda d: d["frames"].pop())
    for change in changes:
        edit_json(root / "transforms.json", change)
        seen.append(load_scene(root).fingerprint)
    with (root / "images" / "img1.png").open("ab") as file:
        file.write(b"trailing")
    seen.append(load_scene(root).fingerprint)
    assert len(set(seen)) == 5


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "other"])
def test_a_path_that_is_no_data_set_is_told_what_was_expected(kind, tmp_path):
    path = tmp_path / "data"
    if kind == "file":
        path.write_text("{}")
    elif kind != "missing":
        path.mkdir()
    if kind == "other":
        (path / "holiday.txt").write_text("sun")
    with pytest.raises(DataError) as error:
        load_scene(path)
    says = {
        "missing": "does not exist",
        "file": "is not a file of cameras",
        "empty": "it is empty",
        "other": "found holiday.txt",
    }
    assert says[kind] in str(error.value)
    if kind != "file":
        assert "transforms.json" in str(error.value)
        assert "sparse/0" in str(error.value)
