"""GLB files: meshes in their places, and all ways to store triangles."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from rayfield.core.check import DataError
from rayfield.geometry.glb_read import read_glb

POINTS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], "<f4")
KINDS = {"<f4": 5126, "<u1": 5121, "<u2": 5123, "<u4": 5125, "<i2": 5122}
SHAPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}


def container(document: dict, binary: bytes) -> bytes:
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def write(path, *, nodes=({"mesh": 0},), mode=4, normalized=(), **arrays):
    """One mesh of one primitive whose attributes (and `indices`) are the arrays."""
    binary, views, accessors = b"", [], []
    for name, array in arrays.items():
        array = array.reshape(len(array), -1)
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": array.nbytes})
        accessors.append(
            {
                "bufferView": len(views) - 1,
                "count": len(array),
                "componentType": KINDS[array.dtype.str.replace("|", "<")],
                "type": SHAPES[array.shape[1]],
                "normalized": name in normalized,
            }
        )
        binary += array.tobytes() + b"\0" * (-array.nbytes % 4)
    primitive = {"mode": mode, "attributes": {n: i for i, n in enumerate(arrays) if n != "indices"}}
    if "indices" in arrays:
        primitive["indices"] = list(arrays).index("indices")
    document = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": list(nodes),
        "meshes": [{"primitives": [primitive]}],
        "buffers": [{"byteLength": len(binary)}],
        "bufferViews": views,
        "accessors": accessors,
    }
    path.write_bytes(container(document, binary))
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mesh.glb"


@pytest.mark.parametrize("kind", ["<u1", "<u2", "<u4"])
@pytest.mark.parametrize(
    ("mode", "indices"), [(4, [0, 1, 2, 2, 1, 3]), (5, [0, 1, 2, 3]), (6, [2, 0, 1, 3])]
)
def test_triangles_strips_and_fans_face_one_way(path, kind, mode, indices):
    raw = read_glb(write(path, mode=mode, POSITION=POINTS, indices=np.array(indices, kind)))
    a, b, c = raw.vertices[raw.polygons.corners.reshape(-1, 3)].transpose(1, 0, 2)
    np.testing.assert_allclose(np.cross(b - a, c - a), [[0, 0, 1], [0, 0, 1]])


def test_without_indices_every_three_vertices_are_a_triangle(path):
    raw = read_glb(write(path, POSITION=POINTS[:3]))
    assert raw.polygons.corners.tolist() == [0, 1, 2]


def test_nodes_within_nodes_move_their_meshes(path):
    half = np.sqrt(0.5)
    nodes = [
        {"children": [1], "translation": [10, 20, 30]},
        {"mesh": 0, "rotation": [0, 0, half, half], "scale": [2, 3, 4]},  # a quarter turn about z
    ]
    raw = read_glb(write(path, nodes=nodes, POSITION=POINTS[:3]))
    np.testing.assert_allclose(raw.vertices, [[10, 20, 30], [10, 22, 30], [7, 20, 30]], atol=1e-6)


def test_a_matrix_is_given_column_by_column_and_a_mirror_turns_the_faces(path):
    matrix = np.array([[-2.0, 0, 0, 5], [0, 1, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]])
    normals = np.tile(np.array([[0, 0, 1]], "<f4"), (3, 1))
    nodes = [{"mesh": 0, "matrix": matrix.T.ravel().tolist()}]
    raw = read_glb(write(path, nodes=nodes, POSITION=POINTS[:3], NORMAL=normals))
    np.testing.assert_allclose(raw.vertices, [[5, 6, 7], [3, 6, 7], [5, 7, 7]])
    a, b, c = raw.vertices[raw.polygons.corners]
    assert np.cross(b - a, c - a)[2] > 0
    np.testing.assert_allclose(raw.normals, normals)


def test_normals_stay_square_to_a_stretched_surface(path):
    slope = np.array([[0, 0, 0], [1, 0, 1], [0, 1, 0]], "<f4")
    normals = np.tile(np.array([[-1, 0, 1]], "<f4"), (3, 1))
    raw = read_glb(
        write(path, nodes=[{"mesh": 0, "scale": [1, 1, 5]}], POSITION=slope, NORMAL=normals)
    )
    edges = raw.vertices[1:] - raw.vertices[0]
    np.testing.assert_allclose(edges @ raw.normals[0], 0, atol=1e-6)


def test_quantised_positions_and_colours_are_read(path):
    colors = np.array([[0, 65535, 13933]] * 3, "<u2")  # 0.2126 of linear light
    whole = (POINTS[:3] * 32767).astype("<i2")
    raw = read_glb(write(path, normalized=("POSITION", "COLOR_0"), POSITION=whole, COLOR_0=colors))
    np.testing.assert_allclose(raw.vertices, POINTS[:3], atol=1e-4)
    np.testing.assert_array_equal(raw.colors, [[0, 255, 127]] * 3)


def test_a_mesh_shown_twice_is_there_twice(path):
    nodes = [{"children": [1, 2]}, {"mesh": 0}, {"mesh": 0, "translation": [5, 0, 0]}]
    raw = read_glb(write(path, nodes=nodes, POSITION=POINTS[:3]))
    assert raw.polygons.corners.tolist() == [0, 1, 2, 3, 4, 5]
    np.testing.assert_allclose(raw.vertices[3:] - raw.vertices[:3], [[5, 0, 0]] * 3)


def test_points_and_lines_are_left_out_and_told_of(path):
    raw = read_glb(write(path, mode=1, POSITION=POINTS))
    assert len(raw.polygons.sizes) == 0
    assert raw.notes == ("1 sets of points or lines are left out",)


def test_copies_beyond_all_measure_are_refused(path, monkeypatch):
    monkeypatch.setattr("rayfield.geometry.glb_read.MOST_COPIES", 100)
    nodes = [{"children": list(range(1, 100))}, *({"mesh": 0} for _ in range(99))]
    many = np.repeat(POINTS[:3], 30, axis=0)
    with pytest.raises(DataError, match="too many times over"):
        read_glb(write(path, nodes=nodes, POSITION=many))
