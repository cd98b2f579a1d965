"""From a surface as it is found to the mesh that is kept."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from rayfield.app.meshes.finish import finished, largest
from rayfield.app.meshes.meshing import Meshing
from rayfield.app.meshes.skin import Skin
from rayfield.core.check import RayfieldError, UsageError
from rayfield.core.types import Mesh
from rayfield.geometry.icosphere import icosphere
from rayfield.geometry.mesh import report, vertex_normals
from rayfield.geometry.textured import Textured


def placed(*balls: tuple[float, float]) -> Mesh:
    """Balls with these radii and places along x."""
    one = icosphere(3)
    vertices = [radius * one.vertices + [x, 0, 0] for radius, x in balls]
    count = len(one.vertices)
    faces = [one.faces + count * index for index in range(len(balls))]
    return Mesh(np.concatenate(vertices), np.concatenate(faces).astype(np.int32))


def by_place(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """A colour for every place and direction."""
    assert points.shape == normals.shape
    shade = np.stack([points[:, 0], points[:, 1], normals[:, 2]], axis=1)
    return (127.5 + 127.5 * shade.clip(-1, 1)).round().astype(np.uint8)


SKIN = Skin(color=by_place)


@pytest.mark.parametrize(
    ("pieces", "kept", "said"),
    [
        (None, 2, "1 separate pieces of less than 2 % of the area of the largest are left out"),
        (1, 1, "2 separate pieces of less area than the one are left out"),
        (2, 2, "1 separate pieces of less area than the 2 kept are left out"),
        (9, 2, "1 separate pieces of less than 2 % of the area of the largest are left out"),
    ],
)
def test_crumbs_go_and_as_many_pieces_stay_as_wanted(pieces, kept, said):
    notes: list[str] = []
    found = largest(placed((0.1, 3.0), (1.0, 0.0), (0.5, 5.0)), pieces, notes)
    assert report(found)["components"] == kept
    assert notes == [said]


def test_colours_are_asked_of_the_reduced_mesh():
    mesh = finished(placed((1.0, 0.0)), SKIN, Meshing(faces=200), notes=[])
    assert isinstance(mesh, Mesh)
    assert len(mesh.faces) == 200
    np.testing.assert_array_equal(mesh.colors, by_place(mesh.vertices, mesh.normals))


def test_a_skin_brings_its_own_normals_and_settles_the_mesh():
    def settled(mesh: Mesh, notes: list[str]) -> Mesh:
        notes.append("settled")
        return replace(mesh, vertices=mesh.vertices + mesh.normals)

    skin = Skin(lambda mesh: np.tile([0.0, 0, 1], (len(mesh.vertices), 1)), settled=settled)
    notes: list[str] = []
    mesh = finished(placed((1.0, 0.0)), skin, Meshing(), notes=notes)
    np.testing.assert_array_equal(mesh.normals, skin.normals(mesh))
    np.testing.assert_array_equal(mesh.vertices, icosphere(3).vertices + np.array([0, 0, 1]))
    assert (mesh.colors, notes) == (None, ["settled"])
    small = finished(placed((1.0, 0.0)), skin, Meshing(faces=100), notes=[])
    np.testing.assert_allclose(small.normals, vertex_normals(small))  # of the faces it has now


def test_too_small_a_budget_is_told():
    notes: list[str] = []
    finished(placed((1.0, 0.0), (1.0, 3.0)), SKIN, Meshing(faces=5), notes=notes)
    assert "its pieces and tunnels need 8 faces, more than the 5 asked for" in notes[0]


def test_a_texture_shows_at_every_place_the_colour_of_that_place():
    pytest.importorskip("xatlas", reason="textures need the extra [mesh]")
    import io

    from PIL import Image

    whole = placed((1.0, 0.0))
    made = finished(whole, SKIN, Meshing(texture=256, faces=300), notes=[])
    assert isinstance(made, Textured)
    assert report(made.mesh)["boundary_edges"] == 0
    picture = np.asarray(Image.open(io.BytesIO(made.picture)))
    assert picture.shape == (256, 256, 3)
    weights = np.random.default_rng(0).dirichlet([1, 1, 1], len(made.mesh.faces))
    points = np.einsum("fc,fck->fk", weights, made.mesh.vertices[made.mesh.faces])
    normals = np.einsum("fc,fck->fk", weights, made.mesh.normals[made.mesh.faces])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    place = np.einsum("fc,fck->fk", weights, made.corners) * 256
    shown = picture[255 - place[:, 1].astype(int).clip(0, 255), place[:, 0].astype(int)]
    away = np.abs(shown.astype(int) - by_place(points, normals).astype(int))
    assert away.mean() < 2
    assert away.max() < 12  # half a texel, of about 60 from one side of the ball to the other
    again = finished(whole, SKIN, Meshing(texture=256, faces=300), notes=[])
    assert again.picture == made.picture


def test_a_texture_brings_a_budget_of_faces_unless_told_otherwise(monkeypatch):
    pytest.importorskip("xatlas", reason="textures need the extra [mesh]")
    monkeypatch.setattr("rayfield.app.meshes.finish.UNWRAPPED", 150)
    notes: list[str] = []
    made = finished(placed((1.0, 0.0)), SKIN, Meshing(texture=64), notes=notes)
    assert len(made.mesh.faces) == 150
    assert "reduced from 1,280 faces to 150 for the texture" in notes[0]
    assert len(finished(placed((1.0, 0.0)), SKIN, Meshing(texture=64, faces=400), notes=[]).mesh.faces) == 400  # fmt: skip  # noqa: E501


def test_what_has_no_colours_gets_no_texture():
    with pytest.raises(UsageError, match="learned colours"):
        finished(placed((1.0, 0.0)), Skin(), Meshing(texture=64), notes=[])


def test_without_the_extra_the_line_to_install_it_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "xatlas", None)
    with pytest.raises(RayfieldError, match=r"pip install 'rayfield\[mesh\]'"):
        finished(placed((1.0, 0.0)), SKIN, Meshing(texture=64), notes=[])
