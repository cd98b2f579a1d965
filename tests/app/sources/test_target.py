"""Explicit geometry fitted to a target by the command line: train, eval, render, export."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

import rayfield
from rayfield.app.command import cli
from rayfield.core.types import PointCloud
from rayfield.data.synthetic import toy, write_scene
from rayfield.geometry.icosphere import icosphere
from rayfield.geometry.mesh import vertex_normals
from rayfield.geometry.meshio import read_mesh, write_mesh
from rayfield.geometry.pointwriter import write_points

TINY = {
    "mesh_optimisation": {"subdivisions": 2, "rays": 256, "views": 2},
    "point_optimisation": {"points": 200, "rays": 256, "views": 2},
    "voxel_optimisation": {"cells": 8, "doublings": 1, "doubling": 2, "rays": 256, "rate": 3},
}
any_one = pytest.mark.parametrize("method", sorted(TINY))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy in 6 + 2 photos; leave it as it is."""
    root = tmp_path_factory.mktemp("data") / "toy"
    write_scene(root, toy(3), views={"train": 6, "test": 2}, size=24)
    return root


@pytest.fixture(scope="module")
def shape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ball as a mesh, far from the origin; leave it as it is."""
    path = tmp_path_factory.mktemp("data") / "ball.ply"
    mesh = icosphere(3, radius=4.0)
    write_mesh(path, replace(mesh, vertices=mesh.vertices + 50))
    return path


@pytest.fixture(scope="module")
def trained(photos: Path, shape: Path) -> Callable[..., Path]:
    """A short run of a method on the photos or on the shape; leave it as it is."""

    def run(method: str, *, points: bool = False) -> Path:
        data = shape if points else photos
        out = data.parent / f"{method}-run"
        if not out.exists():
            settings = [f"--set={name}={value}" for name, value in TINY[method].items()]
            words = ["train", method, str(data), "-o", str(out), "--steps", "3", *settings]
            assert cli.main(words) == 0
        return out

    return run


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def ask(*words: object) -> dict[str, Any]:
        capsys.readouterr()
        assert cli.main([str(word) for word in words] + ["--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return ask


@any_one
def test_eval_tells_psnr_ssim_and_iou_of_silhouettes(method, trained, ask):
    found = ask("eval", trained(method))
    assert len(found["views"]) == 2
    assert found["psnr"] > 3
    assert 0 <= found["silhouette_iou"] <= 1


@any_one
def test_views_are_rendered(method, trained, ask):
    found = ask("render", trained(method), "--frames", "2", "--resolution", "20x16", "--depth")
    assert found["frames"] == 2
    assert Path(found["video"]).is_file()


def test_the_mesh_of_the_run_is_exported_in_the_world(trained, ask, tmp_path):
    run = trained("mesh_optimisation")
    found = ask("export", run, "-o", tmp_path / "a.ply")
    assert found["vertices"] == 162
    assert found["boundary_edges"] == 0
    assert found["euler_number"] == 2
    assert "threshold" not in found
    field = rayfield.open(run)
    own = field.method.mesh(field.model)
    matrix = field.world_from_scene
    written = read_mesh(tmp_path / "a.ply")
    expected = own.vertices @ matrix[:3, :3].T + matrix[:3, 3]
    np.testing.assert_allclose(written.vertices, expected, atol=1e-5)
    np.testing.assert_array_equal(written.colors, own.colors)
    scene = ask("export", run, "-o", tmp_path / "b.ply", "--frame", "scene")
    assert scene["frame"] == "scene"
    np.testing.assert_allclose(read_mesh(tmp_path / "b.ply").vertices, own.vertices, atol=1e-5)


def test_a_density_for_a_mesh_that_is_kept_is_refused(trained, tmp_path, capsys):
    words = ["export", str(trained("mesh_optimisation")), "-o", str(tmp_path / "a.ply")]
    assert cli.main([*words, "--threshold", "3"]) == 2
    assert "written as it is" in capsys.readouterr().err
    assert not (tmp_path / "a.ply").exists()


def test_the_points_of_the_run_are_exported_in_the_world(trained, ask, tmp_path):
    run = trained("point_optimisation")
    found = ask("export", run, "-o", tmp_path / "a.ply")
    field = rayfield.open(run)
    cloud, _ = field.method.cloud(field.model)
    matrix = field.world_from_scene
    written = np.asarray(trimesh.load(tmp_path / "a.ply").vertices)
    assert found["points"] == len(written) == len(cloud.points)
    expected = cloud.points @ matrix[:3, :3].T + matrix[:3, 3]
    np.testing.assert_allclose(written, expected, atol=1e-5)


@pytest.mark.parametrize("words", [("-o", "a.glb"), ("-o", "a.ply", "--threshold", "3")])
def test_points_are_exported_as_they_are_or_not_at_all(words, trained, tmp_path, monkeypatch):
    run = trained("point_optimisation")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["export", str(run), *words]) == 2
    assert list(tmp_path.iterdir()) == []


def test_voxels_are_exported_by_their_density(trained, ask, tmp_path):
    run = trained("voxel_optimisation")
    found = ask("export", run, "-o", tmp_path / "a.ply", "--resolution", "24")
    assert found["boundary_edges"] == 0
    assert found["threshold"] > 0


@any_one
def test_points_of_a_surface_are_fitted_measured_and_written(method, trained, ask, tmp_path):
    run = trained(method, points=True)
    found = ask("eval", run)
    assert 0 <= found["p2s_data_to_surface"] < 1
    exported = ask("export", run, "-o", tmp_path / "a.ply")
    if method == "point_optimisation":
        written = np.asarray(trimesh.load(tmp_path / "a.ply").vertices)
        assert exported["points"] == 200
    else:
        written = read_mesh(tmp_path / "a.ply").vertices
        assert exported["boundary_edges"] == 0
    assert (np.abs(written.mean(axis=0) - 50) < 1).all()  # in the frame of the data
    assert (run / "figures" / "sharpening.png").is_file()


def test_a_mesh_fitted_to_a_mesh_has_an_iou(trained, ask):
    found = ask("eval", trained("mesh_optimisation", points=True))
    assert 0.3 < found["iou"] <= 1
    assert found["chamfer_l1_onet"] < 0.2


def test_geometry_fitted_to_points_is_not_filmed(trained, capsys):
    assert cli.main(["render", str(trained("point_optimisation", points=True))]) == 2
    assert "rayfield export" in capsys.readouterr().err


def test_voxels_want_normals(tmp_path, capsys):
    points = icosphere(2).vertices
    write_points(tmp_path / "bare.ply", PointCloud(points))
    words = ["train", "voxel_optimisation", str(tmp_path / "bare.ply"), "-o", str(tmp_path / "r")]
    assert cli.main(words) == 2
    assert "normals" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_normals_of_a_kept_mesh_are_refused(trained, capsys):
    words = ["render", str(trained("mesh_optimisation")), "--frames", "1", "--normals"]
    assert cli.main(words) == 2
    assert "has no density" in capsys.readouterr().err


def test_normals_of_the_sphere_point_outwards():
    mesh = icosphere(2)
    assert (np.einsum("vk,vk->v", vertex_normals(mesh), mesh.vertices) > 0.99).all()
