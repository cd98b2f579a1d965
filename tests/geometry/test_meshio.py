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

from rayfield.core.check import DataError, RayfieldError, UsageError
from rayfield.core.types import Mesh
from rayfield.geometry import meshio
from rayfield.geometry.mesh import report, vertex_normals, volume

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
    if suffix in (".ply", ".obj"):
        np.testing.assert_array_equal(back.colors, mesh.colors)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("scale", [1e-7, 1e6])
def test_tiny_and_huge_meshes_keep_their_digits(tmp_path, mesh, suffix, scale):
    path = tmp_path / f"mesh{suffix}"
    meshio.write_mesh(path, replace(mesh, vertices=mesh.vertices * scale))
    assert volume(meshio.read_mesh(path)) == pytest.approx(volume(mesh) * scale**3, rel=1e-5)


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
