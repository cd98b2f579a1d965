"""PLY faces: text and both byte orders, all of one size or not, among other columns."""

from __future__ import annotations

import numpy as np
import pytest

from rayfield.geometry.ply import read_ply

POINTS = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]])
TRIANGLES = [(0, 1, 2), (0, 2, 3)]
MIXED = [(0, 1, 2, 3), (0, 1, 4), (0, 1, 2, 3, 4)]
HEAD = """ply
format {form} 1.0
obj_info made by a test
element vertex 5
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
element face {count}
property short before
property list {length} {kind} vertex_index
property list uchar float texcoord
element edge 1
property int a
end_header
"""


def encoded(form: str, faces, length="uchar", kind="int") -> bytes:
    code = {"uchar": "u1", "int": "i4", "uint": "u4", "ushort": "u2", "char": "i1"}
    head = HEAD.format(form=form, count=len(faces), length=length, kind=kind)
    if form == "ascii":
        rows = [f"{x} {y} {z} 10 20 30" for x, y, z in POINTS]
        rows += [f"7 {len(f)} {' '.join(map(str, f))} 2 0.5 0.5" for f in faces]
        return (head + "\n".join([*rows, "9"])).encode()
    order = "<" if "little" in form else ">"
    body = b"".join(p.astype(order + "f4").tobytes() + bytes((10, 20, 30)) for p in POINTS)
    for face in faces:
        body += np.array(7, order + "i2").tobytes()
        body += np.array(len(face), order + code[length]).tobytes()
        body += np.array(face, order + code[kind]).tobytes()
        body += b"\2" + np.array([0.5, 0.5], order + "f4").tobytes()
    return head.encode() + body + b"\0" * 4


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("faces", [TRIANGLES, MIXED, [MIXED[0]] * 3, []])
@pytest.mark.parametrize(
    ("length", "kind"), [("uchar", "int"), ("int", "ushort"), ("char", "char")]
)
def test_faces_are_found_among_other_columns(tmp_path, form, faces, length, kind):
    path = tmp_path / "mesh.ply"
    path.write_bytes(encoded(form, faces, length, kind))
    raw = read_ply(path)
    np.testing.assert_array_equal(raw.vertices, POINTS)
    np.testing.assert_array_equal(raw.colors, [[10, 20, 30]] * 5)
    assert raw.polygons.sizes.tolist() == [len(face) for face in faces]
    assert raw.polygons.corners.tolist() == [corner for face in faces for corner in face]
