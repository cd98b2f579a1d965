"""Copies of test pictures among training pictures."""

from __future__ import annotations

import shutil

from PIL import Image

from rayfield.data.check.look import look_at
from rayfield.data.check.reading import gather
from rayfield.data.check.twins import check_twins


def findings(root):
    frames = gather(root).capture.frames
    return check_twins(frames, look_at(frames)[0])


def test_a_sound_set_has_no_copies(write):
    assert findings(write()) == []


def test_a_copy_of_a_test_picture_is_told(write):
    root = write()
    shutil.copy(root / "images/08.png", root / "images/09.png")  # every 8th is for testing
    (found,) = findings(root)
    assert (found.level, found.where) == ("warning", ("images/09.png = images/08.png",))


def test_the_same_picture_saved_anew_is_told(write):
    root = write()
    with Image.open(root / "images/08.png") as image:
        image.save(root / "images/09.png", compress_level=1)
    (found,) = findings(root)
    assert "look just like" in found.what
    assert found.where == ("images/09.png = images/08.png",)


def test_copies_within_training_are_told(write):
    root = write()
    shutil.copy(root / "images/10.png", root / "images/11.png")
    (found,) = findings(root)
    assert "another one" in found.what


def test_a_picture_listed_for_both_is_an_error(write):
    def share(document):
        document["camera_model"] = "PINHOLE"
        frames = document["frames"]
        for i, frame in enumerate(frames):
            frame["split"] = "test" if i % 4 == 0 else "train"
        frames.append({**frames[4], "split": "train"})

    root = write(share)
    (root / "transforms_train.json").write_text((root / "transforms.json").read_text())
    (root / "transforms_test.json").write_text((root / "transforms.json").read_text())
    found = findings(root)
    assert found[0].level == "error"
    assert "images/04.png" in found[0].where
