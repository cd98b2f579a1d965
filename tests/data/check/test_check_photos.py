"""Blurred, over-exposed and unreadable pictures, and looks at pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from rayfield.data.check.look import look_at
from rayfield.data.check.photos import check_photos
from rayfield.data.check.reading import gather


def findings(root):
    frames = gather(root).capture.frames
    return check_photos(frames, *look_at(frames))


def test_sound_pictures_are_fine(write):
    assert findings(write()) == []


def test_a_blurred_picture_is_named(write):
    root = write()
    with Image.open(root / "images/05.png") as image:
        image.filter(ImageFilter.GaussianBlur(2)).save(root / "images/05.png")
    (found,) = findings(root)
    assert (found.level, found.kind, found.where) == ("warning", "blur", ("images/05.png",))


def test_a_picture_of_another_exposure_is_named_with_stops(write):
    root = write()
    with Image.open(root / "images/09.png") as image:
        image.point([int(v * 0.5) for v in range(256)] * 3).save(root / "images/09.png")
    (found,) = findings(root)
    assert (found.kind, found.where) == ("exposure", ("images/09.png",))
    assert "2.2 stops darker" in found.what


def test_another_content_of_the_same_exposure_is_not_told(write):
    root = write()
    with Image.open(root / "images/09.png") as image:
        pixels = np.array(image)
    pixels[:, :60] = 20  # half of it lies in the dark, the rest is as bright as ever
    Image.fromarray(pixels).save(root / "images/09.png")
    assert [f for f in findings(root) if f.kind == "exposure"] == []


def test_a_picture_cut_short_is_an_error_and_the_rest_is_looked_at(write):
    root = write()
    data = (root / "images/03.png").read_bytes()
    (root / "images/03.png").write_bytes(data[: len(data) // 2])
    (found,) = findings(root)
    assert (found.level, found.kind, found.where) == ("error", "images", ("images/03.png",))
