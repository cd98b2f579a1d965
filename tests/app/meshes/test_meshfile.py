"""What is told of a mesh that was written."""

from __future__ import annotations

import numpy as np

from rayfield.app.command.summary import of_mesh
from rayfield.app.meshes.meshfile import save_mesh
from rayfield.core.types import Mesh
from rayfield.geometry.solids import cube


def moved(mesh: Mesh, shift: list[float]) -> Mesh:
    return Mesh(mesh.vertices + np.array(shift), mesh.faces)


def test_a_sound_mesh_is_told_to_be_closed_and_crosses_nothing(tmp_path):
    found = save_mesh(tmp_path / "cube.ply", cube(), frame="world", force=False)
    assert (found["boundary_edges"], found["self_intersections"]) == (0, 0)
    assert "closed, 1 components" in of_mesh(found)


def test_faces_that_cross_are_counted_and_said(tmp_path):
    one, other = cube(), moved(cube(), [0.3, 0.21, 0.13])
    both = Mesh(
        np.concatenate([one.vertices, other.vertices]),
        np.concatenate([one.faces, other.faces + len(one.vertices)]),
    )
    found = save_mesh(tmp_path / "cubes.ply", both, frame="scene", force=False)
    assert found["self_intersections"] > 0
    assert f"{found['self_intersections']} pairs of faces cross" in of_mesh(found)


def test_what_the_format_loses_is_said(tmp_path):
    found = save_mesh(tmp_path / "cube.glb", cube(), frame="world", force=False)
    assert "note: GLB is y-up by its standard" in of_mesh(found)
    found = save_mesh(tmp_path / "far.stl", moved(cube(), [1e6, 0, 0]), frame="world", force=False)
    assert "note: STL has single precision" in of_mesh(found)
