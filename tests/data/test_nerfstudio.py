"""nerfstudio's form."""

from __future__ import annotations

import pytest

from rayfield.core.check import DataError
from rayfield.data import nerfstudio
from rayfield.data.load import load_scene


def names(*numbers: int) -> list[str]:
    return [f"images/img{i}.png" for i in numbers]


def test_published_splits_are_used_and_the_rest_is_left_out(capture_dir, edit_json):
    root = capture_dir("nerfstudio")
    splits = {
        "train_filenames": names(*range(6)),
        "val_filenames": names(6),
        "test_filenames": ["./images/img7.png"],
    }
    edit_json(root / "transforms.json", lambda d: d.update(splits))
    scene = load_scene(root)
    assert [len(scene.split(s)) for s in ("train", "val", "test")] == [6, 1, 1]
    assert scene.split("test")[0].name == "images/img7.png"
    assert "3 images are in no published split (not used)" in scene.notes


@pytest.mark.parametrize("other", ["val", "test"])
def test_a_training_picture_in_another_published_split_is_refused(capture_dir, edit_json, other):
    root = capture_dir("nerfstudio")
    splits = {"train_filenames": names(0, 1, 2), f"{other}_filenames": names(2)}
    edit_json(root / "transforms.json", lambda d: d.update(splits))
    with pytest.raises(DataError, match="one split only"):
        nerfstudio.read(root)


def test_a_picture_for_validation_and_test_is_test(capture_dir, edit_json):
    root = capture_dir("nerfstudio")
    splits = {
        "train_filenames": names(0, 1, 2),
        "val_filenames": names(3, 4),
        "test_filenames": names(3),
    }
    edit_json(root / "transforms.json", lambda d: d.update(splits))
    found = {frame.name: frame.split for frame in nerfstudio.read(root).frames}
    assert [found[name] for name in names(0, 3, 4)] == ["train", "test", "val"]


@pytest.mark.parametrize("key", ["camera_model", "applied_transform", "test_filenames"])
def test_its_own_keys_tell_the_form(key):
    assert nerfstudio.detect({key: [], "frames": []})
    assert not nerfstudio.detect({"frames": [], "aabb_scale": 4})
