"""Alpha and masks: black, inverted, missing, and how much they keep."""

from __future__ import annotations

import numpy as np
from PIL import Image

from rayfield.data.check.look import look_at
from rayfield.data.check.masks import check_masks
from rayfield.data.check.reading import gather


def findings(root):
    frames = gather(root).capture.frames
    looks, _ = look_at(frames)
    return check_masks(frames, looks)


def change_alpha(root, change, count=32):
    for i in range(count):
        path = root / f"images/{i:02d}.png"
        with Image.open(path) as image:
            pixels = np.array(image)
        pixels[..., 3] = change(pixels[..., 3])
        Image.fromarray(pixels).save(path)


def mask_of(i):
    return {"mask_path": f"masks/{i:02d}.png"}


def write_masks(root, change, count=32):
    (root / "masks").mkdir()
    row, column = np.mgrid[:72, :96]
    inside = np.hypot(row - 36, column - 48) < 20
    for i in range(count):
        pixels = change(np.where(inside, 255, 0).astype(np.uint8))
        Image.fromarray(pixels).save(root / f"masks/{i:02d}.png")


def test_pictures_without_masks_have_nothing_to_tell(write):
    assert findings(write()) == []


def test_sound_alpha_is_a_note_on_what_it_keeps(write):
    (found,) = findings(write(alpha=True))
    assert found.level == "note"
    assert "keeps 10% of the pixels" in found.what


def test_inverted_alpha_is_an_error(write):
    root = write(alpha=True)
    change_alpha(root, lambda alpha: 255 - alpha)
    found = findings(root)
    assert found[0].level == "error"
    assert "inverted" in found[0].what
    assert len(found[0].where) == 32


def test_some_black_masks_are_a_warning_and_all_are_an_error(write):
    root = write(alpha=True)
    change_alpha(root, lambda alpha: 0 * alpha, 3)
    found = findings(root)
    assert (found[0].level, len(found[0].where)) == ("warning", 3)
    change_alpha(root, lambda alpha: 0 * alpha)
    assert findings(root)[0].level == "error"


def test_inverted_masks_that_only_leave_pixels_out_are_a_warning(write):
    def name_masks(document):
        for i, frame in enumerate(document["frames"]):
            frame.update(mask_of(i))

    root = write(name_masks)
    write_masks(root, lambda mask: 255 - mask)
    found = findings(root)
    assert found[0].level == "warning"
    assert "inverted" in found[0].what


def test_missing_masks_are_a_warning(write):
    def name_masks(document):
        for i, frame in enumerate(document["frames"][:30]):
            frame.update(mask_of(i))

    root = write(name_masks)
    write_masks(root, lambda mask: mask)
    found = findings(root)
    assert (found[0].level, found[0].where) == ("warning", ("images/30.png", "images/31.png"))


def test_inverted_masks_of_a_subject_that_leaves_the_picture_are_told_too(write):
    root = write(alpha=True)
    column = np.arange(96)[None, :].repeat(72, axis=0)
    change_alpha(root, lambda alpha: np.where(column > 35, 0, 255).astype(np.uint8))
    assert findings(root)[-1].level == "note"  # less than half of the border is kept: a slim strip
    change_alpha(root, lambda alpha: np.where((column > 35) & (column < 90), 0, 255))
    found = findings(root)
    assert "inverted" in found[0].what
