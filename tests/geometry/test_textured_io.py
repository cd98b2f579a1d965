"""Meshes with a picture on them: read back by another program, each face with its own colour."""

from __future__ import annotations

import errno
import io

import numpy as np
import pytest
import trimesh
from PIL import Image

from rayfield.core.check import RayfieldError, UsageError
from rayfield.core.types import Mesh
from rayfield.geometry.mesh import report, transform, vertex_normals
from rayfield.geometry.meshio import load_mesh
from rayfield.geometry.solids import cube
from rayfield.geometry.textured import Textured, moved, split_at_seams
from rayfield.geometry.textured_io import companions, write_textured

SIDE = 4  # cells along each side of the picture, a face in each


def colors() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)


@pytest.fixture
def textured() -> Textured:
    """A cube, every triangle of which has a cell of its own on a picture of 64x64."""
    mesh = cube()
    row, column = np.divmod(np.arange(len(mesh.faces)), SIDE)
    low = np.stack([column, SIDE - 1 - row], axis=1) / SIDE  # origin at the lower left
    corners = low[:, None] + np.array([[0.1, 0.1], [0.8, 0.1], [0.1, 0.8]]) / SIDE
    file = io.BytesIO()
    Image.fromarray(colors().repeat(16, axis=0).repeat(16, axis=1)).save(file, "PNG")
    normals = vertex_normals(mesh)
    whole = Mesh(mesh.vertices * [1, 2, 3] + [5, 0, 0], mesh.faces, normals)
    return Textured(whole, corners, file.getvalue())


def seen_colors(path, *, y_up: bool) -> dict[tuple, tuple]:
    """The colour in the middle of every face, by that middle in our frame, as trimesh reads it."""
    seen = trimesh.load(path, force="mesh", process=False)
    picture = np.asarray(seen.visual.material.image if path.suffix == ".obj" else
                         seen.visual.material.baseColorTexture)[..., :3]  # fmt: skip
    middle = seen.vertices[seen.faces].mean(axis=1)
    if y_up:
        middle = middle @ np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    place = seen.visual.uv[seen.faces].mean(axis=1)  # trimesh has the origin at the lower left
    x = (place[:, 0] * picture.shape[1]).astype(int)
    y = ((1 - place[:, 1]) * picture.shape[0]).astype(int)
    return {
        tuple(np.round(m, 5)): tuple(c)
        for m, c in zip(middle.tolist(), picture[y, x].tolist(), strict=True)
    }


@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_another_program_sees_every_face_in_its_colour(tmp_path, textured, suffix):
    path = tmp_path / f"a cube{suffix}"
    write_textured(path, textured)
    middles = textured.mesh.vertices[textured.mesh.faces].mean(axis=1)
    expected = {
        tuple(np.round(m, 5)): tuple(c)
        for m, c in zip(middles.tolist(), colors().reshape(-1, 3).tolist(), strict=False)
    }
    assert seen_colors(path, y_up=suffix == ".glb") == expected


@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_the_mesh_is_closed_again_when_it_is_read(tmp_path, textured, suffix):
    write_textured(tmp_path / f"cube{suffix}", textured)
    back = load_mesh(tmp_path / f"cube{suffix}").mesh
    assert report(back)["boundary_edges"] == 0
    assert report(back)["volume"] == pytest.approx(report(textured.mesh)["volume"], rel=1e-6)
    np.testing.assert_allclose(
        np.sort(back.vertices, axis=0), np.sort(textured.mesh.vertices, axis=0), atol=1e-6
    )


def test_vertices_are_doubled_only_along_seams(textured):
    split = split_at_seams(textured)
    assert len(split.mesh.vertices) == len(split.coordinates) == 36
    np.testing.assert_array_equal(
        split.mesh.vertices[split.mesh.faces], textured.mesh.vertices[textured.mesh.faces]
    )
    np.testing.assert_allclose(
        split.coordinates[split.mesh.faces], textured.corners, rtol=0, atol=1e-7
    )
    one = textured._replace(corners=np.zeros_like(textured.corners))
    assert len(split_at_seams(one).mesh.vertices) == 8


def test_a_mirror_takes_the_corners_along(textured):
    mirror = np.diag([-2.0, 2.0, 2.0, 1.0])
    there = moved(textured, mirror)
    expected = transform(textured.mesh, mirror)
    np.testing.assert_array_equal(there.mesh.faces, expected.faces)
    for face, corners in zip(there.mesh.faces, there.corners, strict=True):
        before = int(np.flatnonzero((textured.mesh.faces[:, ::-1] == face).all(axis=1))[0])
        np.testing.assert_array_equal(corners, textured.corners[before, ::-1])


def test_the_files_beside_an_obj_are_guarded_and_named_plainly(tmp_path, textured):
    path = tmp_path / "my\nmodel 1.obj"
    assert [file.name for file in companions(path)] == ["my_model_1.mtl", "my_model_1.png"]
    (tmp_path / "my_model_1.png").write_bytes(b"precious")
    with pytest.raises(RayfieldError, match=r"my_model_1\.png: exists already"):
        write_textured(path, textured)
    assert (tmp_path / "my_model_1.png").read_bytes() == b"precious"
    assert not path.exists()
    write_textured(path, textured, force=True)
    assert b"map_Kd my_model_1.png" in (tmp_path / "my_model_1.mtl").read_bytes()


def test_a_full_disk_leaves_none_of_the_files(tmp_path, textured, monkeypatch):
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("rayfield.geometry.wholefile.os.fsync", full)
    with pytest.raises(RayfieldError, match="No space left"):
        write_textured(tmp_path / "cube.obj", textured)
    assert len(calls) == 3
    assert list(tmp_path.iterdir()) == []


def test_other_formats_keep_no_texture(tmp_path, textured):
    with pytest.raises(UsageError, match=r"kept in \.glb or \.obj"):
        write_textured(tmp_path / "cube.ply", textured)


def test_a_texture_far_from_the_origin_is_where_it_was(tmp_path, textured):
    far = textured._replace(mesh=Mesh(textured.mesh.vertices + 1e6, textured.mesh.faces))
    for suffix in (".glb", ".obj"):
        write_textured(tmp_path / f"far{suffix}", far)
        back = load_mesh(tmp_path / f"far{suffix}").mesh
        low = far.mesh.vertices.min(axis=0)
        np.testing.assert_allclose(back.vertices.min(axis=0), low, rtol=0, atol=5e-6)
