from __future__ import annotations

import numpy as np
import pytest
import trimesh

from rayfield.core.check import RayfieldError, UsageError
from rayfield.core.types import PointCloud
from rayfield.geometry.pointwriter import write_points


def columns(path) -> np.ndarray:
    """The table of a binary PLY file, by its own header."""
    head, data = path.read_bytes().split(b"end_header\n", 1)
    lines = head.decode().splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    kinds = {"float": "<f4", "uchar": "u1"}
    fields = [line.split() for line in lines if line.startswith("property")]
    count = next(int(line.split()[2]) for line in lines if line.startswith("element vertex"))
    table = np.frombuffer(data, dtype=[(name, kinds[kind]) for _, kind, name in fields])
    assert len(table) == count
    return table


def some(n: int = 20) -> PointCloud:
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(n, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return PointCloud(rng.normal(size=(n, 3)), normals)


@pytest.mark.parametrize("normals", [False, True])
@pytest.mark.parametrize("colors", [False, True])
def test_what_is_written_is_read_again(normals, colors, tmp_path):
    cloud = some()
    if not normals:
        cloud = PointCloud(cloud.points)
    rgb = np.arange(60, dtype=np.uint8).reshape(20, 3) if colors else None
    write_points(tmp_path / "a.ply", cloud, colors=rgb)
    found = columns(tmp_path / "a.ply")
    assert len(found.dtype.names) == 3 + 3 * normals + 3 * colors
    for names, values in (("xyz", cloud.points), (("nx", "ny", "nz"), cloud.normals)):
        if values is not None:
            stored = np.stack([found[name] for name in names], axis=1)
            np.testing.assert_allclose(stored, values, rtol=1e-6)
    if rgb is not None:
        stored = np.stack([found[name] for name in ("red", "green", "blue")], axis=1)
        np.testing.assert_array_equal(stored, rgb)
    np.testing.assert_allclose(trimesh.load(tmp_path / "a.ply").vertices, cloud.points, rtol=1e-6)


def test_other_names_existing_files_and_no_points_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"\.ply"):
        write_points(tmp_path / "a.glb", some())
    with pytest.raises(RayfieldError, match="no points"):
        write_points(tmp_path / "a.ply", PointCloud(np.zeros((0, 3))))
    write_points(tmp_path / "a.ply", some())
    with pytest.raises(RayfieldError, match="exists"):
        write_points(tmp_path / "a.ply", some())
    write_points(tmp_path / "a.ply", some(3), force=True)
    assert len(columns(tmp_path / "a.ply")) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["a.ply"]
