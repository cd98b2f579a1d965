"""Files of points in every format give the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from rayfield.core.check import DataError
from rayfield.data.pointfiles import read_raw
from rayfield.geometry.meshio import MeshFile
from rayfield.geometry.pointio import PointFile

POINTS = np.random.default_rng(0).normal(size=(20, 3)).round(6)
NORMALS = np.random.default_rng(1).normal(size=(20, 3))
NORMALS /= np.linalg.norm(NORMALS, axis=1, keepdims=True)
BOTH = np.concatenate([POINTS, NORMALS], axis=1)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.xyz", "a.pwn", "a.ply"])
@pytest.mark.parametrize("oriented", [True, False])
def test_points_and_normals_come_back(tmp_path, name, oriented):
    path, table = tmp_path / name, BOTH if oriented else POINTS
    if name.endswith("npy"):
        np.save(path, table)
    elif name.endswith("npz"):
        np.savez(path, points=POINTS, **({"normals": NORMALS} if oriented else {}))
    elif name.endswith("ply"):
        names = ["x", "y", "z", "nx", "ny", "nz"][: table.shape[1]]
        head = ["ply", "format ascii 1.0", "element vertex 20"]
        head += [f"property double {n}" for n in names] + ["end_header"]
        rows = [" ".join(map(repr, map(float, row))) for row in table]
        path.write_text("\n".join(head + rows) + "\n")
    else:
        np.savetxt(path, table)
    found = read_raw(path)
    assert isinstance(found, PointFile)
    cloud = found.cloud
    np.testing.assert_allclose(cloud.points, POINTS)
    assert (cloud.normals is not None) == oriented
    if oriented:
        np.testing.assert_allclose(cloud.normals, NORMALS)


@pytest.mark.parametrize("suffix", ["ply", "obj", "off", "stl", "glb"])
def test_a_mesh_stays_one(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    trimesh.creation.box().export(path)
    found = read_raw(path)
    assert isinstance(found, MeshFile)
    assert len(found.mesh.faces) == 12


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.xyz", b"1 2 3\n4 5\n"),
        ("a.xyz", b""),
        ("a.npy", b"nonsense"),
        ("a.npz", b"PK\x03\x04"),
        ("a.ply", b"ply\n"),
        ("a.glb", b"glTF"),
        ("a.jpg", b""),
    ],
)
def test_other_files_are_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        read_raw(tmp_path / name)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="not a file"):
        read_raw(tmp_path / "none.ply")


def test_pickles_are_never_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError):
        read_raw(tmp_path / "a.npy")
