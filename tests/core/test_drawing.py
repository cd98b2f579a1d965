"""What all figures share."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from rayfield.core import drawing


def test_a_figure_is_written_whole_and_at_its_size(tmp_path):
    with drawing.style():
        figure = drawing.new_figure(4.0, 2.0)
        axes = figure.subplots()
        axes.plot([1, 2], [3, 4], label="line")
        drawing.dress(axes, title="t", x="length, m", y="time, s")
        drawing.headline(figure, "title", below="what it is", remark="how it was made")
        figure.tight_layout(rect=drawing.between(figure))
    drawing.save(figure, tmp_path / "new" / "a.png")
    with Image.open(tmp_path / "new" / "a.png") as image:
        assert image.size == (4 * drawing.DPI, 2 * drawing.DPI)
        assert np.asarray(image.convert("L")).std() > 5
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.png"]


def test_the_headline_keeps_clear_of_what_is_between():
    figure = drawing.new_figure(4.0, 2.0)
    drawing.headline(figure, "title", below="below", remark="remark")
    title, below, remark = (text.get_position()[1] for text in figure.texts)
    left, bottom, right, top = drawing.between(figure)
    assert 1 > title > below > top > bottom > remark > 0
    assert (left, right) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("color", "byte"), [(-1.0, 0), (0.0, 0), (0.5, 128), (1.0, 255), (2.0, 255)]
)
def test_colours_become_bytes_rounded_and_clipped(color, byte):
    found = drawing.bytes_of(np.full((2, 3), color))
    assert found.dtype == np.uint8
    assert (found == byte).all()
