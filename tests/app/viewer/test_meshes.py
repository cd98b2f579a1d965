"""Meshes for the page."""

from __future__ import annotations

import os

import numpy as np
import pytest

from rayfield.app.viewer import meshes
from rayfield.core.types import Mesh
from rayfield.geometry.mesh import transform
from rayfield.geometry.meshio import write_mesh

TETRAHEDRON = Mesh(
    np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]]),
    np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]),
)


def read(message: bytes, opened) -> tuple[dict, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """As the page reads it."""
    about, body = opened(message)
    v = about["vertices"]
    places = np.frombuffer(body[: 12 * v], "<f4").reshape(v, 3)
    normals = np.frombuffer(body[12 * v : 16 * v], np.int8).reshape(v, 4)[:, :3]
    colors = np.frombuffer(body[16 * v : 20 * v], np.uint8).reshape(v, 4)[:, :3]
    return about, places, normals, colors, np.frombuffer(body[20 * v :], "<u4").reshape(-1, 3)


def test_a_mesh_is_read_back(opened):
    colors = np.arange(12, dtype=np.uint8).reshape(4, 3)
    mesh = Mesh(TETRAHEDRON.vertices, TETRAHEDRON.faces, colors=colors)
    about, places, normals, shades, faces = read(meshes.encoded(mesh), opened)
    assert about == {"vertices": 4, "faces": 4, "colored": True}
    assert np.array_equal(places, mesh.vertices)
    assert np.array_equal(faces, mesh.faces)
    assert np.array_equal(shades, colors)
    assert (normals[0] < 0).all()  # outwards
    assert np.linalg.norm(normals.astype(float), axis=1) == pytest.approx(127, abs=2)


def test_a_file_is_brought_from_the_world_into_the_scene(ball, tmp_path, opened):
    path = tmp_path / "mesh.ply"
    write_mesh(path, transform(TETRAHEDRON, ball.world_from_scene))
    about, places, _, shades, _ = read(meshes.from_file(path, ball.world_from_scene), opened)
    assert not about["colored"]
    assert shades[0].tolist() == [meshes.GREY] * 3
    assert np.allclose(np.sort(places, axis=0), np.sort(TETRAHEDRON.vertices, axis=0), atol=1e-5)


def test_the_newest_mesh_of_a_run_is_shown(ball, tmp_path):
    assert meshes.newest(ball.run) is None
    ball.run.meshes.mkdir()
    for age, name in ((30, "old.ply"), (10, "new.glb"), (0, "notes.txt")):
        (ball.run.meshes / name).write_text("")
        os.utime(ball.run.meshes / name, (1e9 - age, 1e9 - age))
    (ball.run.meshes / "folder.ply").mkdir()
    (ball.run.meshes / "link.ply").symlink_to(tmp_path / "elsewhere.ply")
    assert meshes.newest(ball.run).name == "new.glb"


def test_a_field_gives_its_own_surface(ball, monkeypatch, opened):
    monkeypatch.setattr(meshes, "RESOLUTION", 24)
    done = []
    about, places, normals, _, _ = read(meshes.from_field(ball, done.append), opened)
    assert about["colored"]
    assert np.linalg.norm(places, axis=1) == pytest.approx(0.5, abs=0.06)
    outwards = (normals * places).sum(1) / np.linalg.norm(places, axis=1) / 127
    assert outwards.min() > 0.8
    assert done[-1] == 1
