"""What may be chosen of a mesh."""

from __future__ import annotations

import pytest

from rayfield.app.meshes.meshing import Crop, Meshing, check_file, check_meshing, parse_crop
from rayfield.core.check import UsageError


@pytest.mark.parametrize("text", ["1,-2,3,-1,2,4.5", "1 -2 3 -1 2 4.5", " -1, 2, 4.5, 1, -2, 3 "])
def test_a_crop_is_two_corners_in_any_order(text):
    assert parse_crop(text) == Crop((-1.0, -2.0, 3.0), (1.0, 2.0, 4.5))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,2,3", "give two corners"),
        ("0,0,0,1,1,x", "give two corners"),
        ("0,0,0,1,1,inf", "give two corners"),
        ("0,0,0,1,1,nan", "give two corners"),
        ("0,0,0,1,1,0", "flat"),
    ],
)
def test_what_is_no_box_is_refused(text, said):
    with pytest.raises(UsageError, match=said):
        parse_crop(text)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (Meshing(frame="camera"), "no frame 'camera'"),
        (Meshing(threshold=-1.0), "is no density"),
        (Meshing(faces=3), "give 4 at least"),
        (Meshing(pieces=0), "leaves nothing"),
        (Meshing(texture=8), "cannot be made"),
        (Meshing(texture=10**6), "cannot be made"),
    ],
)
def test_choices_that_make_no_mesh_are_refused(how, said):
    with pytest.raises(UsageError, match=said):
        check_meshing(how)


def test_a_texture_asks_for_a_format_that_keeps_one(tmp_path):
    check_file(tmp_path / "mesh.ply", Meshing(), force=False)
    check_file(tmp_path / "mesh.obj", Meshing(texture=64), force=False)
    with pytest.raises(UsageError, match=r"kept in \.glb or \.obj"):
        check_file(tmp_path / "mesh.ply", Meshing(texture=64), force=False)
