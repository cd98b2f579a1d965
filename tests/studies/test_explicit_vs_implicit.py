"""The study of representations, at a size that takes a moment."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from rayfield.core.check import RayfieldError
from rayfield.core.types import PointCloud
from rayfield.geometry.icosphere import icosphere
from rayfield.geometry.mesh import components, edge_uses, euler_number
from rayfield.geometry.meshio import write_mesh
from rayfield.geometry.pointwriter import write_points
from rayfield.studies import explicit_vs_implicit as study
from rayfield.studies import mesh_sequence, representations


def silent(done: float, what: str) -> None:
    """No progress line."""


@pytest.fixture
def small(monkeypatch):
    """Few points, coarse meshes, an instant of training."""
    monkeypatch.setattr(representations, "PROBES", 500)
    monkeypatch.setattr(representations, "POOL", 2000)
    monkeypatch.setattr(representations, "RESOLUTION", 16)
    monkeypatch.setattr(study, "RESOLUTION", 24)
    monkeypatch.setattr(study, "SECONDS", 0.02)
    monkeypatch.setattr(study, "STEPS", 2)
    monkeypatch.setattr(mesh_sequence, "SHOWN", (0, 1))
    monkeypatch.setattr(mesh_sequence, "SIDE", 16)


def test_targets_are_closed_and_have_the_topology_they_are_named_for():
    for mesh, euler in ((study.shape(), 2), (study.torus(), 0)):
        assert euler_number(mesh) == euler
        assert (edge_uses(mesh)[1] == 2).all()
        assert components(mesh).max() == 0
        assert np.abs(mesh.vertices).max() < 0.95


def test_the_goal_is_reached_at_the_first_measurement_that_says_so():
    curve = [{"step": k, "seconds": 0.1 * k, "iou": 0.9 + 0.02 * k} for k in range(5)]
    assert study.reached(curve)["step"] == 3
    assert study.reached(curve[:3]) is None


def found(*, mesh_euler: int, network_euler: int = 0) -> dict:
    """Numbers of a run in which all but the points reached the goal."""
    point = {"step": 9, "seconds": 1.0, "iou": 0.97}
    sizes = {"mesh": 90, "voxels": 1100, "points": 48, "network": 134, "hash grid": 100}
    shape = {
        kind: {"bytes": size, "curve": [point], "to_goal": point} for kind, size in sizes.items()
    }
    shape["points"] |= {"curve": [], "to_goal": None}
    euler = {"mesh": mesh_euler, "voxels": 0, "network": network_euler}
    return {"shape": shape, "torus": {k: {"euler_number": v} for k, v in euler.items()}}


def test_the_verdict_asks_for_memory_ease_and_topology():
    assert study.judged(found(mesh_euler=2), 0).holds
    assert not study.judged(found(mesh_euler=0), 0).holds
    assert not study.judged(found(mesh_euler=2, network_euler=2), 0).holds
    slow = found(mesh_euler=2)
    slow["shape"]["voxels"]["to_goal"] = None
    verdict = study.judged(slow, 0)
    assert not verdict.holds
    assert "voxels never (last 0.970)" in verdict.found
    large = found(mesh_euler=2)
    large["shape"]["network"]["bytes"] = 1000
    assert not study.judged(large, 0).holds


def test_the_study_draws_measures_and_does_not_repeat_itself(small, tmp_path, monkeypatch):
    first = study.run(tmp_path, full=False, report=silent, data=None)
    json.dumps(first.numbers)
    assert set(first.numbers["shape"]) == {"mesh", "voxels", "points", "network", "hash grid"}
    for one in first.numbers["shape"].values():
        assert one["steps"] >= 1
        assert one["chamfer_l1_onet"] is None or one["chamfer_l1_onet"] > 0
    assert first.numbers["shape"]["points"]["chamfer_l1_onet"] > 0
    assert first.numbers["torus"]["mesh"]["euler_number"] == 2
    with Image.open(tmp_path / "figure.png") as picture:
        assert picture.size[0] > 1000
    with Image.open(tmp_path / "mesh.gif") as film:
        assert film.n_frames >= 2

    def never(*args, **options):
        raise AssertionError("fitted again")

    monkeypatch.setattr(torch.Tensor, "backward", never)
    monkeypatch.setattr(study, "sequence", lambda *args: [])
    monkeypatch.setattr(study, "write_film", lambda *args: None)
    monkeypatch.setattr(study.figure, "draw", lambda *args, **options: None)
    again = study.run(tmp_path, full=False, report=silent, data=None)
    assert again.numbers["shape"] == first.numbers["shape"]


def test_sizes_are_those_of_what_must_be_stored(small, tmp_path, generator):
    write_mesh(tmp_path / "ball.ply", icosphere(2))
    target = representations.target_of(tmp_path / "ball.ply")
    sizes = {k: representations.explicit(k, target, generator).size for k in study.EXPLICIT}
    assert sizes == {"mesh": 12 * (2562 + 5120), "voxels": 4 * 65**3, "points": 12 * 4000}
    plain = representations.networks(representations.Net((8,)), target, generator)
    assert plain.size == 4 * (3 * 8 + 8 + 8 + 1)


def test_points_alone_are_no_target(tmp_path, small):
    write_points(tmp_path / "points.ply", PointCloud(icosphere(2).vertices))
    with pytest.raises(RayfieldError, match="closed mesh"):
        representations.target_of(tmp_path / "points.ply")


def test_the_gradient_on_the_sequence_leads_towards_the_target():
    """A sphere inside a larger one: every vertex near the outline is drawn outwards."""
    frames = mesh_sequence.sequence(icosphere(3, radius=0.7), 1, silent)
    first = frames[0]
    assert first.step == 0
    middle = mesh_sequence.SIDE / 2
    moved = np.linalg.norm(first.way, axis=1) > 0.1 * np.linalg.norm(first.way, axis=1).max()
    outwards = (first.way * (first.at - middle)).sum(axis=1) > 0
    assert outwards[moved].mean() > 0.95
