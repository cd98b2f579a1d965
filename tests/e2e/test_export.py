"""Meshes of a trained run: every format read back by another program, reduced, cut, textured."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from rayfield.app.learned import field_surface
from rayfield.app.learned.field import TrainedField
from rayfield.app.learned.opened import open_learned
from rayfield.geometry.mesh import report
from rayfield.geometry.meshio import read_mesh
from rayfield.train.lock import locked

SMALL = ("--resolution", 48)


@pytest.fixture(scope="session")
def reference(tiny_run, tmp_path_factory, train_tiny):
    """The mesh as a PLY file in the world, and its vertices."""
    from rayfield.app.command import cli

    file = tmp_path_factory.mktemp("mesh") / "mesh.ply"
    assert cli.main(["export", str(tiny_run), "-o", str(file), *map(str, SMALL)]) == 0
    return read_mesh(file)


@pytest.mark.parametrize("suffix", [".glb", ".ply", ".obj", ".stl", ".off"])
def test_another_program_reads_the_mesh_where_it_should_be(
    tiny_run, command, tmp_path, suffix, reference
):
    found = command.json("export", tiny_run, "-o", tmp_path / f"m{suffix}", *SMALL)
    seen = trimesh.load(tmp_path / f"m{suffix}", force="mesh")
    vertices = np.array(seen.vertices)
    if suffix == ".glb":
        assert any("y-up" in note for note in found["notes"])
        vertices = vertices @ np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    assert seen.is_watertight
    assert len(seen.faces) == found["faces"] == len(reference.faces)
    size = float(np.ptp(reference.vertices, axis=0).max())
    for corner in (np.min, np.max):
        np.testing.assert_allclose(
            corner(vertices, axis=0), corner(reference.vertices, axis=0), rtol=0, atol=1e-6 * size
        )
    np.testing.assert_allclose(found["box_min"], vertices.min(axis=0), atol=1e-6 * size)
    assert float(seen.volume) == pytest.approx(report(reference)["volume"], rel=1e-4)
    if suffix in (".ply", ".obj"):
        assert np.array(seen.visual.vertex_colors)[:, :3].std() > 10
    if suffix == ".glb":
        assert read_mesh(tmp_path / "m.glb").colors.std() > 10


def test_a_budget_of_faces_is_kept_and_the_mesh_stays_closed(tiny_run, command, tmp_path):
    found = command.json("export", tiny_run, "-o", tmp_path / "m.glb", *SMALL, "--faces", 300)
    assert 250 < found["faces"] <= 300
    assert (found["boundary_edges"], found["nonmanifold_edges"]) == (0, 0)
    mesh = read_mesh(tmp_path / "m.glb")
    assert report(mesh)["boundary_edges"] == 0
    assert mesh.colors.std() > 10


def test_the_quality_is_printed_and_kept_beside_the_mesh_and_in_the_run(
    tiny_run, command, tmp_path
):
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    found = command.json("export", run, "-o", tmp_path / "m.ply", "--resolution", 32)
    kept = json.loads((tmp_path / "m.ply.quality.json").read_text())
    assert {key: kept[key] for key in found} == found
    assert json.loads((run / "mesh.json").read_text()) == kept
    assert (kept["method"], kept["step"]) == ("instant", 60)
    code, out, _ = command("export", run, "-o", tmp_path / "n.ply", "--resolution", 32)
    assert code == 0
    for told in (
        "0 boundary edges",
        "Euler number",
        "components",
        "pairs of faces cross",
        "box: (",
    ):
        assert told in out


def test_a_crop_in_world_units_leaves_a_closed_part(tiny_run, command, tmp_path, reference):
    low, high = reference.vertices.min(axis=0), reference.vertices.max(axis=0)
    middle = (low + high) / 2
    corners = [*(low - 1), *(high[:2] + 1), middle[2]]
    crop = ",".join(f"{x:.9f}" for x in corners)
    found = command.json("export", tiny_run, "-o", tmp_path / "m.ply", *SMALL, f"--crop={crop}")
    assert found["boundary_edges"] == 0
    assert found["box_max"][2] == pytest.approx(middle[2], abs=1e-4)
    assert found["crop"] == pytest.approx(corners, abs=1e-8)
    assert 0 < found["volume"] < report(reference)["volume"]
    code, _, err = command("export", tiny_run, "-o", tmp_path / "n.ply", "--crop=90,90,90,91,91,91")
    assert code == 2
    assert "leaves nothing: the scene lies from" in err
    assert not (tmp_path / "n.ply").exists()


@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_a_texture_carries_the_colours_of_the_vertices(tiny_run, command, tmp_path, suffix):
    pytest.importorskip("xatlas", reason="textures need the extra [mesh]")
    file = tmp_path / f"m{suffix}"
    words = ("--faces", 300, "--texture", "--texture-size", 256)
    found = command.json("export", tiny_run, "-o", file, *SMALL, *words)
    plain = command.json("export", tiny_run, "-o", tmp_path / "p.ply", *SMALL, "--faces", 300)
    assert found["faces"] == plain["faces"]
    seen = trimesh.load(file, force="mesh", process=False)
    material = seen.visual.material
    picture = material.baseColorTexture if suffix == ".glb" else material.image
    picture = np.asarray(picture)[..., :3]
    uv = np.array(seen.visual.uv)
    at = (np.stack([1 - uv[:, 1], uv[:, 0]]) * 256).astype(int).clip(0, 255)
    shown = picture[at[0], at[1]].astype(int)
    vertices = np.array(seen.vertices)
    if suffix == ".glb":
        vertices = vertices @ np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    exact = read_mesh(tmp_path / "p.ply")
    near = np.linalg.norm(vertices[:, None] - exact.vertices[None], axis=-1).argmin(axis=1)
    assert np.median(np.abs(shown - exact.colors[near].astype(int))) < 12
    if suffix == ".obj":
        assert {Path(name).name for name in found["beside"]} == {"m.mtl", "m.png"}


def test_any_checkpoint_is_exported_while_the_run_is_in_training(tiny_run, command, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    with locked(run):
        assert command("export", run, "-o", tmp_path / "a.ply", "--resolution", 24)[0] == 0
        folder = run / "checkpoints" / "step-60"
        found = command.json("export", folder, "-o", tmp_path / "b.ply", "--resolution", 24)
        assert found["step"] == 60
    assert (tmp_path / "a.ply").read_bytes() == (tmp_path / "b.ply").read_bytes()
    code, _, err = command("export", run / "checkpoints" / "step-7", "-o", tmp_path / "c.ply")
    assert code == 3
    assert "there is no such checkpoint (there are: step-60)" in err


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_run_that_cannot_be_written_to_is_exported_too(tiny_run, command, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    run.chmod(0o500)
    try:
        assert command("export", run, "-o", tmp_path / "a.ply", "--resolution", 24)[0] == 0
    finally:
        run.chmod(0o700)


def test_a_texture_size_without_a_texture_is_refused(tiny_run, command, tmp_path):
    words = ("-o", tmp_path / "m.glb", "--texture-size", 64)
    code, _, err = command("export", tiny_run, *words)
    assert (code, "give --texture too" in err) == (2, True)


def test_colours_are_the_mean_of_what_the_photos_show(tiny_run, monkeypatch):
    field = open_learned(tiny_run)
    color, calls = field.scene_color(), []
    spy = lambda points, along: calls.append(along) or color(points, along)  # noqa: E731
    monkeypatch.setattr(TrainedField, "scene_color", lambda self: spy)
    points, normals = np.array([[0.2, 0.1, 0.3]]), np.array([[0.0, 0.0, 1.0]])
    shown = field_surface.view_colors(field)(points, normals)
    assert len(calls) == field_surface.LOOKERS
    assert all(float(-along[0, 2]) > 0.3 for along in calls)  # photos from above
    with torch.no_grad():
        each = np.stack([color(torch.from_numpy(points).float(), a).numpy()[0] for a in calls])
    weights = np.array([float(-a[0, 2]) for a in calls])
    mean = (weights[:, None] * each).sum(axis=0) / weights.sum()
    assert np.abs(shown[0] / 255 - mean).max() < 0.01
