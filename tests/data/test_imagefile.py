"""Image files opened with distrust (the refusals are in tests/hostile and test_images.py)."""

from __future__ import annotations

import pytest
from PIL import Image

from rayfield.core.check import DataError
from rayfield.data.imagefile import open_image, orientation


def test_a_header_is_read_and_the_file_closed_by_the_caller(tmp_path):
    Image.new("RGB", (5, 4)).save(tmp_path / "a.png")
    with open_image(tmp_path / "a.png") as image:
        assert image.size == (5, 4)
        assert orientation(image) == 1


def test_formats_that_start_other_programs_are_no_images(tmp_path):
    (tmp_path / "a.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(DataError, match="is not an image this version can read"):
        open_image(tmp_path / "a.eps")


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(DataError, match="is not a file"):
        open_image(tmp_path)
