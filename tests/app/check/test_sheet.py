"""The picture is drawn for every outcome, and shows the photos that findings name."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from rayfield.app.check.examine import examine
from rayfield.app.check.sheet import _chosen, draw, over_white
from rayfield.data.check.look import Look
from rayfield.data.synthetic import toy, write_scene


@pytest.fixture
def root(tmp_path):
    write_scene(tmp_path / "toy", toy(0), views={"train": 12, "test": 2}, size=48)
    return tmp_path / "toy"


def test_a_sound_set_is_drawn_with_its_least_sharp_photos(root, tmp_path):
    found = examine(root)
    draw(tmp_path / "check.png", found)
    with Image.open(tmp_path / "check.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert pixels.shape == (1200, 1800, 3)
    orange = (abs(pixels - (0xF3, 0xC9, 0xA4)) < 12).all(axis=-1)
    assert orange.mean() > 0.01  # below, where no photo was taken
    assert _chosen(found)[1].startswith("the least sharp photos")


def test_photos_that_findings_name_are_shown(root):
    with Image.open(root / "train/r_3.png") as image:
        image.save(root / "test/r_0.png")
    shown, title = _chosen(examine(root))
    assert title == "photos to look at"
    assert "train/r_3.png = test/r_0.png" in shown[0].label


def test_a_set_of_which_nothing_can_be_read_is_drawn_too(root, tmp_path):
    for file in root.glob("transforms_*.json"):
        file.write_text("{")
    found = examine(root)
    assert found.pointless
    draw(tmp_path / "check.png", found)
    assert (tmp_path / "check.png").stat().st_size > 5000


def test_what_a_mask_leaves_out_is_white():
    small, kept = np.zeros((2, 1, 3), np.uint8), np.array([[255], [0]], np.uint8)
    look = Look(1.0, (0.0,) * 4, small, kept, np.zeros((16, 16, 3), np.uint8), False)
    assert over_white(look)[:, 0, 0].tolist() == [0, 255]
