"""NeRF's synthetic form."""

from __future__ import annotations

import json

import pytest

from rayfield.core.check import DataError
from rayfield.data import blender
from rayfield.data.load import load_scene


def test_split_files_give_the_splits(capture_dir):
    capture = blender.read(capture_dir("blender"))
    assert {f.name for f in capture.frames if f.split == "test"} == {
        "images/img0.png",
        "images/img7.png",
    }


def test_without_a_test_file_every_eighth_training_picture_is_held_out(capture_dir):
    root = capture_dir("blender")
    (root / "transforms_test.json").unlink()
    scene = load_scene(root)
    assert (len(scene.split("train")), len(scene.split("test"))) == (7, 2)


def test_a_picture_in_two_splits_is_refused(capture_dir):
    root = capture_dir("blender")
    train = json.loads((root / "transforms_train.json").read_text())
    (root / "transforms_val.json").write_text(json.dumps({**train, "frames": train["frames"][:1]}))
    with pytest.raises(DataError, match=r"also in transforms_train\.json"):
        blender.read(root)


def test_validation_files_that_copy_the_test_file_are_test(capture_dir):
    root = capture_dir("blender")
    copy = (root / "transforms_test.json").read_text()
    (root / "transforms_val.json").write_text(copy)
    scene = load_scene(root)
    assert [len(scene.split(s)) for s in ("train", "val", "test")] == [9, 0, 2]
