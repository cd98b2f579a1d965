"""Mesh files: round trips, the conventions of each format, faults, hostile files."""

from __future__ import annotations

import errno
import json
import os
import pickle
import struct
from dataclasses import replace

import numpy as np
import pytest
import trimesh

from rayfield.core.check import DataError, RayfieldError, UsageError
from rayfield.core.types import Mesh
from rayfield.geometry import meshio
from rayfield.geometry.mesh import report, vertex_normals, volume
from rayfield.geometry.ply import encode_ply

FORMATS = [".glb", ".ply", ".obj", ".stl", ".off"]


@pytest.fixture
def mesh():
    """A lopsided octahedron, so that every axis and orientation is told apart."""
    vertices = np.array([[3, 0, 0], [-1, 0, 0], [0, 2, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1.5]])
    faces = [(0, 2, 4), (2, 1, 4), (1, 3, 4), (3, 0, 4), (2, 0, 5), (1, 2, 5), (3, 1, 5), (0, 3, 5)]
    colors = np.random.default_rng(0).integers(0, 256, (6, 3)).astype(np.uint8)
    shape = Mesh(vertices=vertices, faces=np.array(faces, dtype=np.int32), colors=colors)
    return replace(shape, normals=vertex_normals(shape))


def glb_document(path):
    """The JSON of a GLB file and its arrays, decoded independently."""
    data = path.read_bytes()
    magic, version, length, text_length, kind = struct.unpack_from("<4sIII4s", data)
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), b"JSON")
    document = json.loads(data[20 : 20 + text_length])
    binary = data[28 + text_length :]
    arrays = {}
    primitive = document["meshes"][0]["primitives"][0]
    for name, index in {**primitive["attributes"], "indices": primitive["indices"]}.items():
        accessor = document["accessors"][index]
        view = document["bufferViews"][accessor["bufferView"]]
        dtype = {5125: "<u4", 5126: "<f4", 5123: "<u2"}[accessor["componentType"]]
        part = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        arrays[name] = np.frombuffer(part, dtype).reshape(accessor["count"], -1)
    return document, arrays


@pytest.mark.parametrize("suffix", FORMATS)
def test_meshes_survive_the_round_trip(tmp_path, mesh, suffix):
    path = tmp_path / f"tést ありがとう{suffix.upper()}"
    meshio.write_mesh(path, mesh)
    back = meshio.read_mesh(path)
    assert volume(back) == pytest.approx(volume(mesh), rel=1e-6)
    for measure, value in report(mesh).items():
        assert report(back)[measure] == pytest.approx(value, rel=1e-6), measure
    if suffix != ".stl":  # whose vertices are joined in another order
        np.testing.assert_allclose(back.vertices, mesh.vertices, atol=1e-6)
        np.testing.assert_array_equal(back.faces, mesh.faces)
    if suffix != ".stl":
        np.testing.assert_array_equal(back.colors, mesh.colors)
    if suffix in (".glb", ".ply", ".obj"):
        np.testing.assert_allclose(back.normals, mesh.normals, atol=1e-6)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("scale", [1e-7, 1e6])
def test_tiny_and_huge_meshes_keep_their_digits(tmp_path, mesh, suffix, scale):
    path = tmp_path / f"mesh{suffix}"
    meshio.write_mesh(path, replace(mesh, vertices=mesh.vertices * scale))
    assert volume(meshio.read_mesh(path)) == pytest.approx(volume(mesh) * scale**3, rel=1e-5)


@pytest.mark.parametrize("suffix", [".glb", ".ply", ".obj", ".off"])
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 1e6), (1e-6, 0.0), (1e-6, 10.0), (1e-9, 0.0)])
def test_a_mesh_returns_to_its_frame(tmp_path, mesh, suffix, scale, shift):
    """Within a millionth of its own size, wherever it lies."""
    there = replace(mesh, vertices=mesh.vertices * scale + np.array([shift, -shift, shift / 3]))
    assert meshio.write_mesh(tmp_path / f"mesh{suffix}", there) == []
    back = meshio.read_mesh(tmp_path / f"mesh{suffix}")
    np.testing.assert_allclose(back.vertices, there.vertices, rtol=0, atol=1e-6 * scale)


def test_stl_says_where_single_precision_blurs_a_mesh(tmp_path, mesh):
    assert meshio.write_mesh(tmp_path / "near.stl", mesh) == []
    (note,) = meshio.write_mesh(tmp_path / "far.stl", replace(mesh, vertices=mesh.vertices + 1e6))
    assert "may move by 0.01 of the mesh's size; PLY, OBJ and GLB keep them" in note


def test_only_a_mesh_far_from_the_origin_needs_doubles_or_a_moved_node(tmp_path, mesh):
    far = replace(mesh, vertices=mesh.vertices + 1e6)
    for name, shape, word in (("near", mesh, b"float x"), ("far", far, b"double x")):
        meshio.write_mesh(tmp_path / f"{name}.ply", shape)
        meshio.write_mesh(tmp_path / f"{name}.glb", shape)
        assert word in (tmp_path / f"{name}.ply").read_bytes()
    assert glb_document(tmp_path / "near.glb")[0]["nodes"] == [{"mesh": 0}]
    document, arrays = glb_document(tmp_path / "far.glb")
    x, y, z = 1e6 + 1, 1e6 + 0.5, 1e6 - 0.25  # the middle of the box
    assert document["nodes"][0]["translation"] == pytest.approx([x, z, -y], abs=1e-9)
    assert np.abs(arrays["POSITION"]).max() < 3


@pytest.mark.parametrize("suffix", FORMATS)
def test_other_programs_read_what_is_written(tmp_path, mesh, suffix):
    path = tmp_path / f"mesh{suffix}"
    meshio.write_mesh(path, mesh)
    seen = trimesh.load(path, force="mesh", process=False)
    assert len(seen.faces) == 8
    assert seen.volume == pytest.approx(volume(mesh), rel=1e-6)
    if suffix in (".ply", ".obj"):
        np.testing.assert_array_equal(seen.visual.vertex_colors[:, :3], mesh.colors)


def test_an_open_mesh_has_its_coinciding_vertices_joined(tmp_path, mesh):
    loose = Mesh(
        mesh.vertices[mesh.faces].reshape(-1, 3), np.arange(24, dtype=np.int32).reshape(8, 3)
    )
    for name in ("loose.ply", "loose.glb", "loose.off"):
        meshio.write_mesh(tmp_path / name, loose)
        back, notes = meshio.load_mesh(tmp_path / name)
        assert notes == ("18 vertices that coincide with others are joined with them",)
        assert report(back)["boundary_edges"] == 0
        assert volume(back) == pytest.approx(volume(mesh), rel=1e-6)


def test_a_closed_mesh_keeps_its_vertices_as_they_are(tmp_path, mesh):
    twice = Mesh(np.concatenate([mesh.vertices] * 2), np.concatenate([mesh.faces, mesh.faces + 6]))
    meshio.write_mesh(tmp_path / "twice.ply", twice)
    back, notes = meshio.load_mesh(tmp_path / "twice.ply")
    assert len(back.vertices) == 12
    assert notes == ()


def test_invalid_vertices_are_dropped_with_their_faces_where_asked(tmp_path, mesh):
    vertices = mesh.vertices.copy()
    vertices[4] = np.nan, 0, np.inf
    path = tmp_path / "mesh.ply"
    path.write_bytes(encode_ply(replace(mesh, vertices=vertices), double=True))
    with pytest.raises(
        DataError, match=r"has 1 vertices that are not finite numbers; .*--drop-invalid"
    ):
        meshio.read_mesh(path)
    back, notes = meshio.load_mesh(path, drop_invalid=True)
    assert notes == ("1 vertices that are not finite numbers are dropped, and 4 faces with them",)
    assert len(back.vertices) == len(back.colors) == 5
    assert len(back.faces) == 4


def test_faces_without_area_and_polygons_are_told_of(tmp_path):
    path = tmp_path / "mesh.off"
    path.write_text("OFF\n4 4 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n4 0 1 2 3\n3 0 0 1\n2 0 1\n3 1 2 1\n")
    mesh, notes = meshio.load_mesh(path)
    assert len(mesh.faces) == 2
    assert notes == (
        "1 faces of fewer than three corners are left out",
        "1 polygons are cut into triangles",
        "2 faces without area are left out",
    )


def test_vertices_of_no_face_do_not_count_to_the_box(tmp_path, mesh):
    stray = np.concatenate([[[9e3, 0, 0]], mesh.vertices, [[0, -9e3, 0]]])
    meshio.write_mesh(tmp_path / "stray.ply", Mesh(stray, mesh.faces + 1))
    found, notes = meshio.load_mesh(tmp_path / "stray.ply")
    np.testing.assert_allclose(found.vertices, mesh.vertices, atol=1e-6)
    np.testing.assert_array_equal(found.faces, mesh.faces)
    assert notes == ("2 vertices that no face uses are left out",)


def test_real_meshes_are_read_as_another_reader_reads_them(data_dir):
    for name in ("3holes.off", "spot_low_resolution.obj", "teapot.obj"):
        path = data_dir / "meshes" / name
        ours, theirs = meshio.read_mesh(path), trimesh.load(path, force="mesh", process=False)
        assert len(ours.faces) == len(theirs.faces)
        assert report(ours)["area"] == pytest.approx(theirs.area)


@pytest.mark.parametrize("suffix", FORMATS)
def test_meshes_without_colours_or_normals_are_written(tmp_path, mesh, suffix):
    path = tmp_path / f"plain{suffix}"
    meshio.write_mesh(path, replace(mesh, colors=None, normals=None))
    back = meshio.read_mesh(path)
    assert back.colors is None
    assert len(back.faces) == 8


def test_glb_is_y_up_matte_and_in_linear_light(tmp_path, mesh):
    path = tmp_path / "mesh.glb"
    meshio.write_mesh(path, mesh)
    document, arrays = glb_document(path)
    x, y, z = mesh.vertices.T
    np.testing.assert_allclose(arrays["POSITION"], np.stack([x, z, -y], axis=1), atol=1e-6)
    nx, ny, nz = mesh.normals.T
    np.testing.assert_allclose(arrays["NORMAL"], np.stack([nx, nz, -ny], axis=1), atol=1e-6)
    encoded = arrays["COLOR_0"][:, :3] / 65535
    srgb = np.where(encoded <= 0.0031308, 12.92 * encoded, 1.055 * encoded ** (1 / 2.4) - 0.055)
    np.testing.assert_array_equal((srgb * 255).round(), mesh.colors)
    np.testing.assert_array_equal(arrays["indices"].reshape(-1, 3), mesh.faces)
    assert document["materials"][0]["pbrMetallicRoughness"]["metallicFactor"] == 0
    bounds = document["accessors"][1]
    assert bounds["min"] == arrays["POSITION"].min(axis=0).tolist()
    assert bounds["max"] == arrays["POSITION"].max(axis=0).tolist()


def test_obj_and_ply_carry_normals(tmp_path, mesh):
    meshio.write_mesh(tmp_path / "mesh.obj", mesh)
    lines = (tmp_path / "mesh.obj").read_text().splitlines()
    normals = [[float(x) for x in line.split()[1:]] for line in lines if line.startswith("vn ")]
    np.testing.assert_allclose(normals, mesh.normals, atol=1e-6)
    assert "f 1//1 3//3 5//5" in lines
    meshio.write_mesh(tmp_path / "mesh.ply", mesh)
    header, body = (tmp_path / "mesh.ply").read_bytes().split(b"end_header\n")
    assert header.index(b"property float z") < header.index(b"property float nx")
    first = np.frombuffer(body, "<f4", count=6)
    np.testing.assert_allclose(first, [*mesh.vertices[0], *mesh.normals[0]], atol=1e-6)


def test_existing_files_stay_unless_forced(tmp_path, mesh):
    path = tmp_path / "mesh.ply"
    path.write_text("precious")
    with pytest.raises(RayfieldError, match="exists already"):
        meshio.write_mesh(path, mesh)
    assert path.read_text() == "precious"
    meshio.write_mesh(path, mesh, force=True)
    assert len(meshio.read_mesh(path).faces) == 8
    assert [p.name for p in tmp_path.iterdir()] == ["mesh.ply"]


@pytest.mark.parametrize("name", ["mesh.fbx", "mesh", "mesh.ply.gz"])
def test_unknown_extensions_are_named_with_the_known_ones(tmp_path, mesh, name):
    with pytest.raises(UsageError, match=r"unknown mesh format; .* \.glb, \.ply, \.obj"):
        meshio.write_mesh(tmp_path / name, mesh)
    with pytest.raises(DataError, match="unknown mesh format"):
        meshio.read_mesh(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_empty_meshes_and_folders_are_refused(tmp_path, mesh):
    with pytest.raises(RayfieldError, match="no faces"):
        meshio.write_mesh(tmp_path / "a.ply", replace(mesh, faces=mesh.faces[:0]))
    (tmp_path / "b.ply").mkdir()
    with pytest.raises(RayfieldError, match="is a folder"):
        meshio.write_mesh(tmp_path / "b.ply", mesh, force=True)
    assert [p.name for p in tmp_path.iterdir()] == ["b.ply"]


def test_a_full_disk_leaves_the_old_file_and_no_half_one(tmp_path, mesh, monkeypatch):
    path = tmp_path / "mesh.stl"
    path.write_text("precious")

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RayfieldError, match=r"No space left on device.*free space"):
        meshio.write_mesh(path, mesh, force=True)
    assert path.read_text() == "precious"
    assert [p.name for p in tmp_path.iterdir()] == ["mesh.stl"]


PLY = "ply\nformat ascii 1.0\nelement vertex {n}\nproperty float x\nproperty float y\n"
PLY += "property float z\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n"
TRIANGLE = "0 0 0\n1 0 0\n0 1 0\n"
HOSTILE = {
    "nan.ply": PLY.format(n=3) + "nan 0 0\n1 0 0\n0 1 0\n3 0 1 2\n",
    "inf.obj": "v inf 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    "range.ply": PLY.format(n=3) + TRIANGLE + "3 0 1 999\n",
    "negative.ply": PLY.format(n=3) + TRIANGLE + "3 0 1 -1\n",
    "range.obj": "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 999\n",
    "count.ply": PLY.format(n=2**40) + "0 0 0\n",
    "headless.ply": PLY.format(n=3).replace("end_header\n", ""),
    "binary.ply": PLY.format(n=2**62).replace("ascii", "binary_little_endian") + "abc",
    "negative.off": "OFF\n-3 -1 0\n",
    "points.obj": "v 0 0 0\nv 1 0 0\n",
    "giant.stl": "\0" * 80 + "\xff\xff\xff\x7f" + "\0" * 50,
    "text.glb": "not a mesh at all",
    "empty.stl": "",
    "empty.off": "",
    "empty.glb": "",
    "empty.ply": "",
    "pickle.ply": pickle.dumps({"vertices": 3}).decode("latin-1"),
    "long.glb": struct.pack("<4sIIII", b"glTF", 2, 99, 2**31 - 1, 0x4E4F534A).decode("latin-1"),
    "outside.obj": "mtllib ../secret.mtl\nv 0 0 0\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_damaged_files_give_one_clear_error(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(HOSTILE[name].encode("latin-1"))
    with pytest.raises(DataError) as caught:
        meshio.read_mesh(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message


@pytest.mark.parametrize("suffix", [".glb", ".ply", ".stl"])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
def test_truncated_files_are_refused(tmp_path, mesh, suffix, share):
    path = tmp_path / f"mesh{suffix}"
    meshio.write_mesh(path, mesh)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(DataError):
        meshio.read_mesh(path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.ply: could not be read \(No such file"):
        meshio.read_mesh(tmp_path / "gone.ply")


def test_signalling_nan_is_told_as_any_other(tmp_path):
    facet = np.zeros(1, [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("rest", "<u2")])
    facet["corners"][0, 0].view("<u4")[0] = 0x7F800001
    path = tmp_path / "m.stl"
    path.write_bytes(bytes(80) + np.uint32(1).tobytes() + facet.tobytes())
    with pytest.raises(DataError, match="has 1 vertices that are not finite numbers"):
        meshio.read_mesh(path)
