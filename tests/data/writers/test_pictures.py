"""Pictures brought into another data set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from rayfield.core.check import DataError
from rayfield.core.types import Camera
from rayfield.data.images import read_image
from rayfield.data.scene import Frame
from rayfield.data.writers.pictures import PNG, Job, bring, change_of

CAMERA = Camera(6, 4, 6.0, 6.0, 3.0, 2.0, np.eye(4))


@pytest.fixture
def frame(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    path = tmp_path / "0.png"
    Image.fromarray(pixels).save(path)
    return Frame("0.png", CAMERA, path, "train")


def test_a_picture_changes_only_where_it_must(frame, tmp_path):
    assert change_of(frame, CAMERA, png=True, cut=True) == "copied"
    assert change_of(frame, replace(CAMERA, fx=7.0), png=False, cut=False) == "resampled"
    jpeg = tmp_path / "0.jpg"
    Image.fromarray(read_image(frame.path)).save(jpeg)
    other = replace(frame, path=jpeg)
    assert change_of(other, CAMERA, png=False, cut=False) == "copied"
    assert change_of(other, CAMERA, png=True, cut=False) == "as PNG"
    masked = replace(frame, mask=frame.path, mask_use="cut")
    assert change_of(masked, CAMERA, png=False, cut=True) == "cut out"
    assert change_of(masked, CAMERA, png=False, cut=False) == "copied"


def test_a_png_in_name_only_is_written_anew(frame, tmp_path):
    path = tmp_path / "fake.png"
    Image.fromarray(read_image(frame.path)).save(path, format="JPEG")
    fake = replace(frame, path=path)
    assert change_of(fake, CAMERA, png=True, cut=False) == "as PNG"
    bring(Job(fake, "as PNG", CAMERA, "out.png", False, None), tmp_path, link=False)
    assert (tmp_path / "out.png").read_bytes().startswith(PNG)
    assert np.array_equal(read_image(tmp_path / "out.png"), read_image(path))


def test_a_link_that_the_system_refuses_is_a_copy(frame, tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("another disk")

    monkeypatch.setattr("os.link", refuse)
    job = Job(frame, "copied", CAMERA, "out.png", False, None)
    assert bring(job, tmp_path, link=True) == "copied"
    assert (tmp_path / "out.png").read_bytes() == frame.path.read_bytes()


def test_a_mask_of_another_size_is_refused(frame, tmp_path):
    mask = tmp_path / "mask.bmp"
    Image.new("L", (5, 5), 255).save(mask)
    job = Job(replace(frame, mask=mask), "copied", CAMERA, "out.png", False, "m.png")
    with pytest.raises(DataError, match="is 5x5, its picture 6x4"):
        bring(job, tmp_path, link=False)


def test_a_mask_of_zeros_and_ones_in_colour_becomes_plain_grey(frame, tmp_path):
    mask = tmp_path / "mask.png"
    keep = np.zeros((4, 6, 3), np.uint8)
    keep[1:3, 2:4, 2] = 1
    Image.fromarray(keep).save(mask)
    bring(
        Job(replace(frame, mask=mask), "copied", CAMERA, "o.png", False, "m.png"),
        tmp_path,
        link=True,
    )
    with Image.open(tmp_path / "m.png") as found:
        assert found.mode == "L"
        assert np.array_equal(np.asarray(found), 255 * keep[..., 2])


def test_sixteen_bits_stay_where_the_picture_is_copied(tmp_path):
    path = tmp_path / "deep.png"
    Image.new("I;16", (6, 4), 30_000).save(path)
    frame = Frame("deep.png", CAMERA, path, "train")
    bring(Job(frame, "copied", CAMERA, "out.png", False, None), tmp_path, link=False)
    assert (tmp_path / "out.png").read_bytes() == path.read_bytes()
