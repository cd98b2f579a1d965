"""The names that pictures get in each format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rayfield.core.types import Camera
from rayfield.data.scene import Frame
from rayfield.data.writers.target import (
    by_split,
    in_images,
    inner_names,
    mask_beside,
    numbered,
    side_by_side,
)

CAMERA = Camera(4, 4, 4.0, 4.0, 2.0, 2.0, np.eye(4))


def frames(*names: str, split: str = "train") -> list[Frame]:
    return [Frame(name, CAMERA, Path(name), split) for name in names]


@pytest.mark.parametrize(
    ("names", "inner"),
    [
        (("image/0.png", "image/1.png"), ["0.png", "1.png"]),
        (("images/a/0.png", "images/b/0.png"), ["a/0.png", "b/0.png"]),
        (("train/0.png", "test/0.png"), ["train/0.png", "test/0.png"]),
        (("0.png", "1.png"), ["0.png", "1.png"]),
        (("0.png", "a/1.png"), ["0.png", "a/1.png"]),
    ],
)
def test_the_folder_that_all_pictures_are_in_is_left_out(names, inner):
    assert inner_names(frames(*names)) == inner
    assert in_images(frames(*names)) == [f"images/{name}" for name in inner]


def test_names_of_one_folder_stay_and_others_are_numbered_in_order():
    assert side_by_side(frames("rgb/b.png", "rgb/a.png")) == ["images/b.png", "images/a.png"]
    found = side_by_side(frames("x/b/0.png", "x/a/0.png"))
    assert found == ["images/1_0.png", "images/0_0.png"]
    assert sorted(found)[0] == found[1]


def test_numbers_follow_plain_names():
    names = [f"images/img{i}.jpg" for i in (0, 1, 10, 2)]
    found = numbered("image")(frames(*names))
    assert found == ["image/000.jpg", "image/001.jpg", "image/002.jpg", "image/003.jpg"]
    assert len(numbered("image")(frames(*(f"{i}.png" for i in range(1200))))[0]) == len(
        "image/0000.png"
    )


def test_splits_are_folders():
    assert by_split(frames("images/a/0.png", "images/b/0.png")) == [
        "train/a_0.png",
        "train/b_0.png",
    ]
    assert by_split(frames("test/0.png", split="test")) == ["test/0.png"]


def test_masks_are_named_after_their_pictures():
    assert mask_beside("images/a/0.jpg") == "masks/a/0.jpg.png"
    assert mask_beside("train/0.png") == "masks/train/0.png.png"
