"""OFF files: its first words, colours, normals, and counts that touch them."""

from __future__ import annotations

import numpy as np
import pytest

from rayfield.geometry import off

ROWS = ["0 0 0", "1 0 0", "0 1 0"]


def read(tmp_path, text: str):
    path = tmp_path / "mesh.off"
    path.write_text(text)
    return off.read_off(path)


@pytest.mark.parametrize("head", ["OFF\n3 1 0\n", "OFF\n# c\n\n3 1\n", "OFF 3 1 0\n", "OFF3 1 0\n"])
def test_all_beginnings_are_one(tmp_path, head):
    raw = read(tmp_path, head + "\n".join(ROWS) + "\n3 0 1 2 255 0 0\n")
    np.testing.assert_array_equal(raw.vertices, [[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    assert raw.polygons.corners.tolist() == [0, 1, 2]
    assert raw.colors is raw.normals is None


@pytest.mark.parametrize("alpha", ["", " 255"])
def test_colours_and_normals_come_in_the_order_of_the_format(tmp_path, alpha):
    rows = "".join(f"{row} 0 0 1 10 20 255{alpha}\n" for row in ROWS)
    for word in ("CNOFF", "NCOFF"):
        raw = read(tmp_path, f"{word}\n3 1 0\n{rows}3 0 1 2\n")
        np.testing.assert_array_equal(raw.normals, [[0, 0, 1]] * 3)
        np.testing.assert_array_equal(raw.colors, [[10, 20, 255]] * 3)


def test_colours_from_zero_to_one_are_the_same_colours(tmp_path):
    raw = read(tmp_path, "COFF\n3 0 0\n" + "".join(f"{row} 0 0.5 1 1\n" for row in ROWS))
    np.testing.assert_array_equal(raw.colors, [[0, 128, 255]] * 3)


def test_whether_there_are_faces_is_known_from_the_counts(tmp_path):
    read(tmp_path, "OFF\n3 0 0\n" + "\n".join(ROWS))
    assert not off.holds_faces(tmp_path / "mesh.off")
    read(tmp_path, "OFF\n3 1 0\n" + "\n".join(ROWS) + "\n3 0 1 2\n")
    assert off.holds_faces(tmp_path / "mesh.off")
