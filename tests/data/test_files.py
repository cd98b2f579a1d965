"""Files inside a data set, and cameras that fit their pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rayfield.core.check import DataError
from rayfield.core.types import Camera
from rayfield.data.files import existing_image, fit_to_image
from rayfield.data.images import ImageInfo

LISTING = Path("transforms.json")


@pytest.mark.parametrize("name", ["a b.png", "tést ありがとう.jpg", "r_0.PNG", "frame.001.jpeg"])
def test_pictures_are_found_with_and_without_suffix(name, tmp_path):
    (tmp_path / name).write_bytes(b"")
    assert existing_image(tmp_path, name, LISTING) == tmp_path / name
    assert existing_image(tmp_path, name.rsplit(".", 1)[0], LISTING) == tmp_path / name


@pytest.mark.parametrize(("stored", "named"), [("a.b.JPG", "a.b.jpg"), ("c.png", "c.PNG")])
def test_the_suffix_may_be_in_capitals_in_one_place_only(stored, named, tmp_path):
    (tmp_path / stored).write_bytes(b"")
    assert existing_image(tmp_path, named, LISTING) == tmp_path / stored


def test_an_absolute_name_of_a_picture_inside_is_taken(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    name = str(tmp_path / "data" / "a.png")
    assert existing_image(Path("data"), name, LISTING) == Path("data/a.png")
    for outside in (str(tmp_path / "data" / ".." / "x.png"), str(tmp_path / "data2" / "a.png")):
        with pytest.raises(DataError, match="not inside the data set"):
            existing_image(Path("data"), outside, LISTING)


@pytest.mark.parametrize("name", ["nothing", "folder", "x" * 5000, "\ud800"])
def test_what_is_no_file_does_not_exist(name, tmp_path):
    (tmp_path / "folder").mkdir()
    assert existing_image(tmp_path, name, LISTING) is None


def test_a_link_that_stays_inside_is_followed_and_a_loop_does_not_exist(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.png").symlink_to("a.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    assert existing_image(tmp_path, "b", LISTING) == tmp_path / "b.png"
    assert existing_image(tmp_path, "loop", LISTING) is None


def camera(width: int, height: int) -> Camera:
    return Camera(width, height, 100.0, 110.0, width / 2, height / 2, np.eye(4))


def test_equal_sizes_leave_the_camera_alone():
    c = camera(40, 30)
    assert fit_to_image(c, ImageInfo(40, 30, False, False), LISTING) == (c, None)


@pytest.mark.parametrize(("width", "height"), [(20, 15), (80, 60), (13, 10)])
def test_the_same_shape_at_another_size_keeps_the_field_of_view(width, height):
    c, remark = fit_to_image(camera(40, 30), ImageInfo(width, height, False, False), LISTING)
    assert c.width / c.fx == pytest.approx(40 / 100)
    assert c.height / c.fy == pytest.approx(30 / 110)
    assert remark is not None
    assert "rescaled" in remark


def test_a_quarter_turn_that_exif_asks_for_fits():
    c = camera(30, 40)
    assert fit_to_image(c, ImageInfo(40, 30, False, True), LISTING) == (c, None)
    half, _ = fit_to_image(c, ImageInfo(20, 15, False, True), LISTING)
    assert (half.width, half.height, half.fx) == (15, 20, 50.0)


@pytest.mark.parametrize(
    ("width", "height", "hint"), [(30, 40, "turn the picture"), (40, 25, "poses were found on")]
)
def test_another_shape_is_refused_with_a_hint(width, height, hint):
    with pytest.raises(DataError, match=hint):
        fit_to_image(camera(40, 30), ImageInfo(width, height, False, False), LISTING)
