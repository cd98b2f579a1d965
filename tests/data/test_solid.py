"""Closed meshes of few faces from files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rayfield.core.check import DataError
from rayfield.core.types import Mesh
from rayfield.data.solid import MOST_FACES, read_solid
from rayfield.geometry import solids
from rayfield.geometry.meshio import read_mesh, write_mesh
from rayfield.geometry.polyhedron import fault


def written(tmp_path, mesh, name="solid.obj"):
    write_mesh(tmp_path / name, mesh)
    return tmp_path / name


def test_the_longest_side_is_fitted_into_the_cube_and_the_way_back_is_kept(tmp_path):
    mesh = solids.l_prism()
    mesh = replace(mesh, vertices=mesh.vertices * [2.5, 1.0, 0.5] + [100.0, -7.0, 3.0])
    solid = read_solid(written(tmp_path, mesh))
    assert solid.traits == (20, 8)
    assert np.abs(solid.mesh.vertices).max() == pytest.approx(0.8, abs=1e-12)
    world = solid.world_from_scene
    back = solid.mesh.vertices @ world[:3, :3].T + world[:3, 3]
    assert np.allclose(np.sort(back, axis=0), np.sort(mesh.vertices, axis=0), atol=1e-5)


def test_split_corners_are_joined(tmp_path):
    mesh = solids.cube()
    split = Mesh(mesh.vertices[mesh.faces.ravel()], np.arange(36).reshape(12, 3).astype(np.int32))
    assert len(read_solid(written(tmp_path, split)).mesh.vertices) == 8


@pytest.mark.parametrize(
    ("faces", "said"), [(slice(1, None), "bounds no solid: it is open"), (slice(0, 0), "no faces")]
)
def test_what_is_no_solid_is_refused_in_one_line(tmp_path, faces, said):
    path = tmp_path / "solid.off"
    mesh = solids.cube()
    rows = [" ".join(map(str, v)) for v in mesh.vertices]
    kept = mesh.faces[faces]
    rows += ["3 " + " ".join(map(str, f)) for f in kept]
    path.write_text("\n".join(["OFF", f"8 {len(kept)} 0", *rows]) + "\n")
    with pytest.raises(DataError, match=said) as caught:
        read_solid(path)
    assert "\n" not in str(caught.value)


def test_too_many_faces_are_refused_with_the_way_out(data_dir):
    path = data_dir / "meshes" / "spot_low_resolution.obj"
    assert len(read_mesh(path).faces) > MOST_FACES
    with pytest.raises(DataError, match="--set faces=200"):
        read_solid(path)


def test_a_simplified_mesh_is_closed_and_the_same_each_time(data_dir):
    pytest.importorskip("igl")
    path = data_dir / "meshes" / "spot_low_resolution.obj"
    first, second = (read_solid(path, 120) for _ in range(2))
    assert len(first.mesh.faces) == 120
    assert np.array_equal(first.mesh.vertices, second.mesh.vertices)
    assert fault(first.mesh) == ""
    assert "simplified from" in first.notes[0]
    assert first.fingerprint == read_solid(path, 100).fingerprint  # of the file
