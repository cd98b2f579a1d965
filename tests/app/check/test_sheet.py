"""The picture is drawn for every outcome, and shows the photos that findings name."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from rayfield.app.check import sheet
from rayfield.app.check.examine import examine
from rayfield.app.check.sheet import _chosen, draw, over_white
from rayfield.data.check.finding import Finding
from rayfield.data.check.look import Look
from rayfield.data.synthetic import toy, write_scene


@pytest.fixture
def root(tmp_path):
    write_scene(tmp_path / "toy", toy(0), views={"train": 12, "test": 2}, size=48)
    return tmp_path / "toy"


def test_a_sound_set_is_drawn_with_its_least_sharp_photos(root, tmp_path):
    found = examine(root)
    draw(tmp_path / "check.png", found)
    with Image.open(tmp_path / "check.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert pixels.shape == (1200, 1800, 3)
    orange = (abs(pixels - (0xF3, 0xC9, 0xA4)) < 12).all(axis=-1)
    assert orange.mean() > 0.01  # below, where no photo was taken
    assert _chosen(found)[1].startswith("the least sharp photos")


def test_photos_that_findings_name_are_shown(root):
    with Image.open(root / "train/r_3.png") as image:
        image.save(root / "test/r_0.png")
    shown, title = _chosen(examine(root))
    assert title == "photos to look at"
    assert "train/r_3.png = test/r_0.png" in shown[0].label


def test_a_set_of_which_nothing_can_be_read_is_drawn_too(root, tmp_path):
    for file in root.glob("transforms_*.json"):
        file.write_text("{")
    found = examine(root)
    assert found.pointless
    draw(tmp_path / "check.png", found)
    assert (tmp_path / "check.png").stat().st_size > 5000


@pytest.mark.parametrize("bounded", [True, False])
@pytest.mark.parametrize("kinds", [(), ("images", "axes", "masks")])
def test_no_word_is_cut_off_at_the_border(root, tmp_path, monkeypatch, bounded, kinds):
    """With the longest words that there are for the cameras, and a name of 200 letters."""
    figures = []
    monkeypatch.setattr(sheet, "save", lambda figure, path: figures.append(figure))
    found = examine(root.rename(tmp_path / ("long" * 50)))
    errors = tuple(Finding("error", kind, "odd", (), "mend it") for kind in kinds)
    draw(
        tmp_path / "x.png",
        found._replace(
            reading_as="inverted and flipped",
            subject=found.subject._replace(bounded=bounded),
            findings=errors + found.findings,
        ),
    )
    (figure,) = figures
    texts = [text for text in figure.texts if text.get_text()]
    boxes = [text.get_window_extent(figure.canvas.get_renderer()) for text in texts]
    for text, box in zip(texts, boxes, strict=True):
        assert box.x0 >= 5, text
        assert box.x1 <= figure.bbox.x1 - 5, text
        assert box.y1 <= figure.bbox.y1, text
    cameras = [i for i, text in enumerate(texts) if text.get_text().startswith("the cameras, read")]
    assert len(cameras) == 1
    others = [box for i, box in enumerate(boxes) if i not in cameras]
    assert not any(box.overlaps(boxes[cameras[0]]) for box in others)


def test_what_a_mask_leaves_out_is_white():
    small, kept = np.zeros((2, 1, 3), np.uint8), np.array([[255], [0]], np.uint8)
    look = Look(1.0, (0.0,) * 4, small, kept, np.zeros((16, 16, 3), np.uint8), False)
    assert over_white(look)[:, 0, 0].tolist() == [0, 255]
