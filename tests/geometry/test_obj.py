"""OBJ files: references, continued lines, normals, and what is stepped over."""

from __future__ import annotations

import numpy as np
import pytest

from rayfield.core.check import DataError
from rayfield.geometry import obj

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"


def read(tmp_path, text: str):
    path = tmp_path / "mesh.obj"
    path.write_text(text)
    return obj.read_obj(path)


@pytest.mark.parametrize(
    "faces",
    [
        "f 1 2 3 4",
        "f -4 -3 -2 -1",
        "f 1/1 2/2 3/3 4/4",
        "f\t1//1 2//1 3//1 4//1",
        "f 1/9/1 2/9/1 3/9/1 4/9/1  # a comment",
        "f 1 2 \\\n 3 4",
        "f 1 2 \\\r\n3 \\\r\n4\r\n",
    ],
)
def test_all_ways_to_write_a_face_are_one(tmp_path, faces):
    raw = read(tmp_path, f"{SQUARE}vn 0 0 2\n{faces}\n")
    assert raw.polygons.sizes.tolist() == [4]
    assert raw.polygons.corners.tolist() == [0, 1, 2, 3]
    assert (raw.normals is not None) == ("//" in faces or "/9/" in faces)


def test_normals_of_a_vertex_are_the_mean_of_its_corners(tmp_path):
    raw = read(tmp_path, SQUARE + "vn 0 0 1\nvn 1 0 0\nf 1//1 2//1 3//1\nf 1//2 3//1 4//1\n")
    np.testing.assert_allclose(raw.normals[0], [np.sqrt(0.5), 0, np.sqrt(0.5)])
    np.testing.assert_allclose(raw.normals[1:], [[0, 0, 1]] * 3)


def test_references_back_count_from_the_line_they_are_in(tmp_path):
    raw = read(tmp_path, "v 0 0 0\nv 1 0 0\nv 1 1 0\nf -3 -2 -1\nv 2 2 2\nf -3 -2 -1\n")
    assert raw.polygons.corners.tolist() == [0, 1, 2, 1, 2, 3]


def test_colours_and_weights_are_told_apart(tmp_path):
    assert read(tmp_path, "v 0 0 0 1\n" * 3).colors is None
    assert read(tmp_path, "v 0 0 0 1 0.5 0\n" * 3).colors[2].tolist() == [255, 128, 0]
    assert read(tmp_path, "v 0 0 0 1 0.5 0\nv 0 0 0\n").colors is None


def test_what_is_not_geometry_is_stepped_over(tmp_path):
    extras = "mtllib ../../secret.mtl\nusemtl red\no a\ng b c\ns off\nvt 0 0\nl 1 2\np 1\n"
    raw = read(tmp_path, f"{SQUARE}{extras}f 1 2 3\ncurv 0 1 1 2\n")
    assert len(raw.polygons.sizes) == 1
    assert raw.notes == ("curves and free-form surfaces in the file are left out",)


@pytest.mark.parametrize("word", ["call other.obj", "csh rm -r x", "csh -rm x"])
def test_commands_are_refused_not_run(tmp_path, word):
    with pytest.raises(DataError, match=r"line 5: '(call|csh)' would run a command"):
        read(tmp_path, f"{SQUARE}{word}\n")


def test_whether_there_are_faces_is_known_without_reading_them(tmp_path):
    path = tmp_path / "mesh.obj"
    path.write_text(SQUARE)
    assert not obj.holds_faces(path)
    path.write_text(SQUARE + "f 1 2 3\n")
    assert obj.holds_faces(path)
