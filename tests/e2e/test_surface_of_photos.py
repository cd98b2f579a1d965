"""A surface learned from the photos that come with rayfield: views, normals, a mesh."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rayfield
from rayfield.app.command import cli
from rayfield.app.drawing.normals import normal_map
from rayfield.app.learned.cameras import to_scene
from rayfield.app.learned.opened import open_learned
from rayfield.core.check import UsageError
from rayfield.data.pixels import camera_rays
from rayfield.geometry.mesh import report, vertex_normals
from rayfield.geometry.meshio import read_mesh

SETTINGS = ("steps=120", "entries=2**12", "levels=4", "finest=64", "samples=2**12", "occupancy=32",
            "step=0.03", "sharp=0.01")  # fmt: skip


@pytest.fixture(scope="session")
def surface_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small training of `neus`; leave it as it is."""
    path = tmp_path_factory.mktemp("surface") / "run"
    words = ["train", "neus", str(rayfield.demo_photos()), "-o", str(path), "--downscale", "4"]
    assert cli.main([*words, *(f"--set={setting}" for setting in SETTINGS)]) == 0
    return path


def test_the_mesh_is_closed_coloured_and_in_the_world(surface_run, command, tmp_path):
    file = tmp_path / "mesh.ply"
    found = command.json("export", surface_run, "-o", file, "--resolution", 64)
    mesh, exact = read_mesh(file), read_mesh(rayfield.demo_photos() / "mesh.ply")
    assert (found["boundary_edges"], found["threshold"]) == (0, 0.0)
    assert report(mesh)["volume"] > 0  # faces look outwards
    for corner in (np.min, np.max):
        np.testing.assert_allclose(corner(mesh.vertices, 0), corner(exact.vertices, 0), atol=0.25)
    assert mesh.colors is not None
    assert mesh.colors.std() > 10


def test_the_distance_is_that_of_the_mesh_in_world_units(surface_run, command, tmp_path):
    command("export", surface_run, "-o", tmp_path / "mesh.ply", "--resolution", 64)
    mesh, field = read_mesh(tmp_path / "mesh.ply"), open_learned(surface_run)
    seen = vertex_normals(mesh)[:, 2] > 0  # the underside is in no photo: it spans its rim
    assert np.abs(field.distance(mesh.vertices[seen])).mean() < 0.004
    corner = np.array([[1.0, 1.0, 1.0]])
    assert 0.2 < field.distance(corner)[0] < 2.0
    with pytest.raises(UsageError, match="has no density"):
        field.density(corner)


def test_views_have_depth_and_normals_that_face_the_camera(surface_run, command, tmp_path):
    field = open_learned(surface_run)
    camera = field.split("test")[3].camera
    view = field.view(camera)
    moved = replace(camera, pose=to_scene(camera.pose, field.world_from_scene))
    normals = normal_map(field, moved, field.look(moved))
    seen = view.opacity > 0.9
    assert seen.mean() > 0.1
    along = camera_rays(moved, field.traits).directions.numpy().reshape(*seen.shape, 3)
    facing = -(normals * along).sum(-1)[seen]
    assert (facing > 0).mean() > 0.9
    assert 3.0 < np.median(view.depth[seen]) < 5.0  # all cameras are 4 units from the middle
    words = ["render", surface_run, "--frames", 1, "--normals", "--depth", "--resolution", "20x20"]
    found = command.json(*words, "-o", tmp_path)
    assert Path(found["normals_video"]).exists()


def test_what_is_not_on_the_surface_has_no_normals_before_a_backdrop(surface_run, monkeypatch):
    field = open_learned(surface_run)
    camera = field.split("test")[3].camera
    moved = replace(camera, pose=to_scene(camera.pose, field.world_from_scene))
    view, seen = field.look(moved), field.view(camera).opacity > 0.9
    open_air = field.traits._replace(bounded=False, alpha=False)
    monkeypatch.setattr(type(field), "traits", property(lambda _: open_air))
    lengths = np.linalg.norm(normal_map(field, moved, view), axis=-1)
    assert (lengths[seen] > 0.99).mean() > 0.7
    assert not normal_map(field, moved, view._replace(depth=0.5 * view.depth))[seen].any()


def test_a_density_is_refused(surface_run, command, tmp_path):
    code, _, err = command("export", surface_run, "-o", tmp_path / "m.ply", "--threshold", 5)
    assert code == 2
    assert "--threshold is a density" in err
    assert not any(tmp_path.iterdir())


def test_a_mesh_to_compare_with_is_measured_against(surface_run, command, tmp_path, monkeypatch):
    monkeypatch.setattr("rayfield.app.learned.evaluate.COMPARED", 64)
    exact = rayfield.demo_photos() / "mesh.ply"
    found = command.json("eval", surface_run, "--reference", exact)
    assert 0.001 < found["reference"]["chamfer_l1_onet"] < 0.05  # of the box's diagonal
    assert 0.2 < found["reference"]["fscore@1%"] < 1
    command("export", surface_run, "-o", tmp_path / "own.ply", "--resolution", 64)
    own = command.json("eval", surface_run, "--reference", tmp_path / "own.ply")["reference"]
    assert own["p2s_accuracy"] < 1e-6
    assert own["fscore@1%"] == 1
    code, _, err = command("eval", surface_run, "--reference", tmp_path / "none.ply")
    assert code == 3
    assert "none.ply" in err
