"""Which pictures share a lens."""

from __future__ import annotations

from rayfield.app.process import lenses
from rayfield.app.process.photos import Picture


def pictures(*kinds: tuple[int, int, float | None, str]) -> list[Picture]:
    return [Picture(f"{i}.jpg", *kind) for i, kind in enumerate(kinds)]


WIDE = (640, 480, 500.0, "640x480 P1 26")
TALL = (480, 640, 500.0, "480x640 P1 26")
TELE = (640, 480, 1000.0, "640x480 P1 52")
PLAIN = (640, 480, None, "640x480")


def shared(mode: str, *kinds: tuple[int, int, float | None, str]) -> list[tuple[int, ...]]:
    return [lens.pictures for lens in lenses.group(pictures(*kinds), mode)]


def test_pictures_share_a_lens_by_size_and_exif():
    assert shared("auto", WIDE, TALL, WIDE, TELE, PLAIN) == [(0, 2), (1,), (3,), (4,)]
    assert shared("single", WIDE, TALL, WIDE, TELE, PLAIN) == [(0, 2, 3, 4), (1,)]
    assert shared("per-image", WIDE, WIDE) == [(0,), (1,)]


def test_the_first_focal_length_is_that_of_exif_or_a_guess():
    told, guessed = lenses.group(pictures(WIDE, PLAIN), "auto")
    assert (told.focal, told.told) == (500.0, True)
    assert (guessed.focal, guessed.told) == (1.2 * 640, False)


def test_many_pictures_allow_more_distortion():
    assert lenses.group(pictures(*[WIDE] * 14), "auto")[0].model == "SIMPLE_RADIAL"
    assert lenses.group(pictures(*[WIDE] * 15), "auto")[0].model == "OPENCV"


def test_a_lens_is_described_by_its_focal_lengths():
    one = lenses.described((640, 480), "OPENCV", [500.1, 500.2])
    many = lenses.described((640, 480), "OPENCV", [500.1, 620.4, 530.0])
    assert one == "OPENCV 640x480, focal length 500.1 px, 2 images"
    assert many == "OPENCV 640x480, focal lengths 500 to 620 px, 3 images"
