"""HEIC photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rayfield.app.process import heic, photos
from rayfield.core.check import DataError
from rayfield.data.images import read_image

pillow_heif = pytest.importorskip("pillow_heif")


def save(path: Path, orientation: int) -> np.ndarray:
    """A HEIC photo, red in the stored picture's upper left quarter; its pixels as stored."""
    pixels = np.full((48, 64, 3), 128, np.uint8)
    pixels[:24, :32] = (255, 0, 0)
    exif = Image.Exif()
    exif[photos.ORIENTATION_TAG], exif[photos.MODEL_TAG] = orientation, "Phone"
    exif.get_ifd(photos.EXIF_BLOCK)[photos.FOCAL_35] = 26
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(path, exif=exif.tobytes(), quality=90)
    return pixels


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (6, -1), (3, 2), (8, 1)])
def test_a_heic_photo_becomes_an_upright_jpeg(tmp_path, orientation, turns):
    true = np.rot90(save(tmp_path / "IMG_1.HEIC", orientation), turns).astype(int)
    (tmp_path / "out").mkdir()
    found = photos.prepare(tmp_path / "IMG_1.HEIC", "IMG_1.HEIC", tmp_path / "out")
    assert found.name == "IMG_1.HEIC.jpg"
    assert (found.height, found.width) == true.shape[:2]
    assert np.abs(read_image(tmp_path / "out" / found.name).astype(int) - true).mean() < 8
    assert found.focal == pytest.approx(26 / 43.267 * 80, rel=1e-3)
    assert "Phone" in found.lens


def test_a_damaged_heic_photo_is_one_line(tmp_path):
    save(tmp_path / "a.heic", 1)
    (tmp_path / "a.heic").write_bytes((tmp_path / "a.heic").read_bytes()[:300])
    (tmp_path / "b.heic").write_text("words")
    for name in ("a", "b"):
        with pytest.raises(DataError, match=rf"{name}\.heic: cannot be decoded \(") as caught:
            heic.read_heic(tmp_path / f"{name}.heic")
        assert "\n" not in str(caught.value)
