"""Masks beside photos: whose they are, what for, and data sets that only seem to have some."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from rayfield.core.check import DataError
from rayfield.data.load import load_scene
from rayfield.data.photo import view_image, view_subject
from rayfield.data.pixels import PixelSampler


def add_masks(root, names, suffix):
    """White left halves, as masks/NAME + suffix of every picture."""
    for name in names:
        mask = np.zeros((16, 24), np.uint8)
        mask[:, :12] = 255
        path = root / "masks" / (name.removeprefix("images/") + suffix)
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(mask).save(path)


def test_masks_that_keep_next_to_nothing_are_told(capture_dir, ring):
    root = capture_dir("colmap")
    add_masks(root, ring, ".png")
    assert not any("inverted" in note for note in load_scene(root).notes)
    for path in (root / "masks").iterdir():
        mask = np.zeros((16, 24), np.uint8)
        mask[3, 4] = 255
        Image.fromarray(mask).save(path)
    assert any("100% of theirs" in n and "inverted" in n for n in load_scene(root).notes)


@pytest.mark.parametrize("suffix", [".png", ""])
def test_masks_beside_a_colmap_model_leave_pixels_out(capture_dir, ring, suffix):
    """By COLMAP's rule of names, img1.png.png, and by the picture's own."""
    root = capture_dir("colmap")
    whole = len(PixelSampler(load_scene(root)))
    add_masks(root, list(ring)[:-1], suffix)
    scene = load_scene(root)
    assert any("10 of 11 images have masks: black pixels, 50% of" in n for n in scene.notes)
    assert not scene.traits.alpha
    masked = [f for f in scene.split("train") if f.mask is not None]
    assert len(PixelSampler(scene)) == whole - len(masked) * 24 * 16 // 2
    assert len(PixelSampler(load_scene(root, masks="off"))) == whole


def test_any_masks_can_cut_the_subject_out(capture_dir, ring):
    root = capture_dir("colmap")
    add_masks(root, ring, ".png")
    scene = load_scene(root, masks="cut")
    assert scene.traits.alpha
    frame = scene.frames[0]
    alpha = view_image(frame)[..., 3]
    assert torch.equal(alpha[:, :12], torch.ones(16, 12))
    assert not alpha[:, 12:].any()
    assert torch.equal(view_subject(frame), alpha > 0.5)


def test_cutting_needs_a_mask_for_every_picture(capture_dir, ring):
    root = capture_dir("colmap")
    add_masks(root, list(ring)[:-1], ".png")
    with pytest.raises(DataError, match=r"has no mask for 1 of 11 images: images/img10.png"):
        load_scene(root, masks="cut")


def test_masks_of_another_size_are_refused_unless_they_are_off(capture_dir, ring):
    root = capture_dir("colmap")
    add_masks(root, ring, ".png")
    path = root / "masks" / "img3.png.png"
    Image.new("L", (12, 8)).save(path)
    with pytest.raises(
        DataError, match=r"img3.png.png: is 12x8, but img3.png is 24x16.*--masks off"
    ):
        load_scene(root)
    assert load_scene(root, masks="off").notes[-1].startswith("2 of 11 images held out")


def test_a_folder_of_other_pictures_is_no_folder_of_masks(capture_dir):
    root = capture_dir("colmap")
    (root / "masks").mkdir()
    Image.new("L", (24, 16)).save(root / "masks" / "readme.png")
    assert not any("masks" in note for note in load_scene(root).notes)
    with pytest.raises(DataError, match="has no masks to skip"):
        load_scene(root, masks="skip")


def test_transforms_may_name_masks_that_cut(capture_dir, ring, edit_json):
    root = capture_dir("ngp")
    add_masks(root, ring, "")

    def name_masks(document):
        for frame in document["frames"]:
            frame["mask_path"] = frame["file_path"].replace("images/", "masks/")

    edit_json(root / "transforms.json", name_masks)
    assert not load_scene(root).traits.alpha
    assert load_scene(root, masks="cut").traits.alpha
    assert load_scene(root, masks="off").fingerprint != load_scene(root).fingerprint


def test_masks_outside_the_data_set_are_refused(capture_dir, ring, tmp_path):
    root = capture_dir("colmap")
    add_masks(root, ring, ".png")
    outside = tmp_path / "outside.png"
    (root / "masks" / "img3.png.png").rename(outside)
    (root / "masks" / "img3.png.png").symlink_to(outside)
    with pytest.raises(DataError, match="leads out of the data set"):
        load_scene(root)
