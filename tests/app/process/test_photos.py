"""Upright copies of photos, and their EXIF blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from rayfield.app.process import photos
from rayfield.core.check import DataError
from rayfield.data.images import read_image

QUADRANTS = np.zeros((40, 60, 3), np.uint8)
QUADRANTS[:20, :30], QUADRANTS[:20, 30:], QUADRANTS[20:, :30] = 255, (255, 0, 0), (0, 255, 0)


def save(
    path: Path,
    pixels: np.ndarray = QUADRANTS,
    *,
    orientation: int | None = None,
    focal: int | None = None,
    model: str | None = None,
) -> Path:
    exif = Image.Exif()
    if orientation is not None:
        exif[photos.ORIENTATION_TAG] = orientation
    if model is not None:
        exif[photos.MODEL_TAG] = model
    if focal is not None:
        exif.get_ifd(photos.EXIF_BLOCK)[photos.FOCAL_35] = focal
    Image.fromarray(pixels).save(path, exif=exif)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_the_copy_is_upright_and_says_nothing_more_of_turning(tmp_path, orientation, suffix):
    path = save(tmp_path / f"a{suffix}", orientation=orientation)
    (tmp_path / "out").mkdir()
    found = photos.prepare(path, path.name, tmp_path / "out")
    copy = read_image(tmp_path / "out" / found.name)
    with Image.open(path) as image:
        true = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    assert (found.height, found.width) == true.shape[:2] == copy.shape[:2]
    assert np.abs(copy.astype(int) - true).mean() < 2
    assert photos.read_exif(tmp_path / "out" / found.name).orientation == 1


def test_orientation_can_be_ignored(tmp_path):
    path = save(tmp_path / "a.png", orientation=6)
    (tmp_path / "out").mkdir()
    found = photos.prepare(path, "a.png", tmp_path / "out", turn=False)
    assert (found.width, found.height) == (60, 40)
    assert (read_image(tmp_path / "out" / "a.png") == QUADRANTS).all()
    assert photos.read_exif(tmp_path / "out" / "a.png").orientation == 1


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_impossible_orientation_counts_as_none(tmp_path, orientation):
    path = save(tmp_path / "a.jpg", orientation=orientation)
    assert photos.read_exif(path).orientation == 1


def test_upright_files_are_copied_byte_for_byte(tmp_path):
    (tmp_path / "out").mkdir()
    for name in ("a.jpg", "b.JPEG", "c.png"):
        path = save(tmp_path / name, orientation=1)
        assert photos.prepare(path, name, tmp_path / "out").name == name
        assert (tmp_path / "out" / name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("name", "mode", "copy"),
    [
        ("a.webp", "RGB", "a.webp.jpg"),
        ("a.webp", "RGBA", "a.webp.png"),
        ("a.tif", "RGB", "a.tif.png"),
        ("a.jpg", "CMYK", "a.jpg"),
        ("a.png", "P", "a.png"),
        ("a.png", "I;16", "a.png"),
        ("a.bmp", "1", "a.bmp.png"),
    ],
)
def test_other_kinds_become_jpeg_or_png(tmp_path, name, mode, copy):
    grey = Image.fromarray(QUADRANTS[..., 0])
    if mode == "I;16":
        picture = Image.fromarray(QUADRANTS[..., 0].astype(np.uint16) * 257)
    else:
        picture = (grey if mode == "1" else Image.fromarray(QUADRANTS)).convert(mode)
    if mode == "RGBA":
        picture.putalpha(grey)
    picture.save(tmp_path / name)
    (tmp_path / "out").mkdir()
    found = photos.prepare(tmp_path / name, name, tmp_path / "out")
    assert found.name == copy
    with Image.open(tmp_path / "out" / copy) as image:
        assert image.mode in photos.KEPT_MODES
        assert image.format == ("JPEG" if copy.endswith("jpg") else "PNG")
    seen, true = read_image(tmp_path / "out" / copy), read_image(tmp_path / name)
    assert np.abs(seen[..., :3].astype(int) - true[..., :3]).mean() < 8


def test_a_picture_that_lies_about_its_kind_gets_a_true_name(tmp_path):
    Image.fromarray(QUADRANTS).save(tmp_path / "a.jpg", "PNG")
    (tmp_path / "out").mkdir()
    assert photos.prepare(tmp_path / "a.jpg", "a.jpg", tmp_path / "out").name == "a.jpg.png"


@pytest.mark.parametrize("names", [("a.webp", "a.webp.jpg"), ("a.webp.jpg", "a.webp")])
def test_no_copy_takes_the_place_of_another(tmp_path, names):
    (tmp_path / "out").mkdir()
    for name in names:
        Image.fromarray(QUADRANTS).save(tmp_path / name)
        photos.prepare(tmp_path / name, name, tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_photo_cut_short_is_refused(tmp_path):
    path = save(
        tmp_path / "a.jpg", np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8)
    )
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(DataError, match=r"a\.jpg: cannot be decoded"):
        photos.prepare(path, "a.jpg", tmp_path)


def test_lenses_are_told_apart_by_size_camera_and_focal_length(tmp_path):
    (tmp_path / "out").mkdir()
    turned = np.ascontiguousarray(QUADRANTS.transpose(1, 0, 2))
    cases = {
        "a.jpg": save(tmp_path / "a.jpg", focal=26, model="P1"),
        "b.jpg": save(tmp_path / "b.jpg", focal=26, model="P1"),
        "c.jpg": save(tmp_path / "c.jpg", focal=52, model="P1"),
        "d.jpg": save(tmp_path / "d.jpg", turned, focal=26, model="P1"),
        "e.jpg": save(tmp_path / "e.jpg", focal=26, model="P2"),
    }
    found = {name: photos.prepare(p, name, tmp_path / "out") for name, p in cases.items()}
    assert found["a.jpg"].lens == found["b.jpg"].lens
    assert len({picture.lens for picture in found.values()}) == 4
    assert found["a.jpg"].focal == pytest.approx(26 / 43.267 * np.hypot(60, 40), rel=1e-3)


def test_a_damaged_exif_block_counts_as_none(tmp_path):
    path = save(tmp_path / "a.jpg", focal=26, orientation=6)
    data = path.read_bytes()
    at = data.index(b"Exif\0\0") + 6
    path.write_bytes(data[:at] + bytes(40) + data[at + 40 :])
    assert photos.read_exif(path) == photos.Exif()
