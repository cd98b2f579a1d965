"""The study of supervision: what each way is told, what is measured, going on, the verdict."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from rayfield.core.check import DataError
from rayfield.core.types import Mesh, PointCloud
from rayfield.geometry.icosphere import icosphere
from rayfield.geometry.mesh import edge_uses, euler_number
from rayfield.geometry.meshio import write_mesh
from rayfield.geometry.pointwriter import write_points
from rayfield.studies import shapes as given
from rayfield.studies import supervision as study
from rayfield.studies import supervision_figure
from rayfield.studies.supervision import FULL_3D, RAW, WAYS, Size, examine, judge

TINY = Size((40, 60), 60, 8, 2, 2, 32, 12)


def silent(done: float, what: str) -> None:
    """No progress line."""


@pytest.fixture(scope="module")
def ball(tmp_path_factory):
    path = tmp_path_factory.mktemp("ball") / "ball.obj"
    write_mesh(path, icosphere(3, radius=0.8))
    return path


@pytest.fixture(scope="module")
def cloud(ball):
    return given.shapes(ball.parent, ball)["ball"]


class Sphere(torch.nn.Module):
    """The exact distance to a sphere, shifted; the ball of the data has radius 0.8."""

    def __init__(self, shift: float = 0.0) -> None:
        super().__init__()
        self.shift = torch.nn.Parameter(torch.tensor(shift))

    def forward(self, points):
        return points.norm(dim=1) - 0.8 + self.shift

    def value_and_gradient(self, points):
        return self(points), torch.nn.functional.normalize(points, dim=1)


@pytest.mark.parametrize("way", WAYS)
def test_the_truth_costs_least(cloud, way, generator):
    loss = study.supervised(way, cloud, 3000, batch=512)
    exact, far = (
        float(loss(Sphere(shift), 0, generator.manual_seed(0)).detach()) for shift in (0.0, 0.1)
    )
    assert exact < 0.5 * far
    if way == FULL_3D[1]:
        assert exact < 0.01  # an icosphere is nearly a sphere


def test_full_supervision_knows_so_many_places_half_of_them_near(cloud, monkeypatch):
    seen = []
    monkeypatch.setattr(study, "_distance", lambda cloud: lambda x: seen.append(x) or x[:, 0])
    study.supervised(FULL_3D[0], cloud, 1000, batch=64)
    (places,) = seen
    assert places.shape == (1000, 3)
    off = (places.norm(dim=1) - 0.8).abs()
    assert off[:500].mean() < 0.06
    assert off[500:].mean() > 0.15


def test_signed_distances_count_up_to_the_clamp_alone(cloud, generator):
    loss = study.supervised(FULL_3D[1], cloud, 500, batch=500)
    worst = loss(lambda points: torch.full((len(points),), 9.0), 0, generator)
    assert float(worst) <= 2 * study.CLAMP


def test_raw_points_are_so_many(cloud, generator, monkeypatch):
    drawn = []
    monkeypatch.setattr(study, "PointSampler", lambda some: drawn.append(some))
    for way in RAW:
        study.supervised(way, cloud, 70, batch=64)
    assert [len(some.points) for some in drawn] == [70] * 3
    assert all(some.mesh is None for some in drawn)


def test_an_exact_function_measures_as_exact_and_none_as_none(cloud):
    found = study.measure(Sphere(), cloud, 32)
    assert found["chamfer"] < 2e-3
    assert found["iou"] > 0.98
    assert found["normal_consistency"] > 0.98
    larger = study.measure(Sphere(-0.08), cloud, 32)
    assert larger["chamfer"] == pytest.approx(0.05, rel=0.1)  # 0.08 of a side of 1.6
    nowhere = study.measure(Sphere(5.0), cloud, 16)
    assert nowhere == {"chamfer": None, "normal_consistency": None, "iou": 0.0}


def test_shapes_of_our_own_are_closed_and_within_the_cube(monkeypatch):
    monkeypatch.setattr(given, "RESOLUTION", 64)
    euler = {"animal": 2, "bracket": 2 - 2 * 3, "rings": 0}
    for name, value in given.EXACT.items():
        mesh = given.meshed(value)
        assert (edge_uses(mesh)[1] == 2).all()
        assert euler_number(mesh) == euler[name]
        assert np.abs(mesh.vertices).max() < 0.97


def test_folders_and_files_are_taken_and_what_has_no_inside_is_not(tmp_path, ball):
    write_mesh(tmp_path / "b.ply", icosphere(2))
    write_mesh(tmp_path / "a.off", icosphere(1))
    assert list(given.shapes(tmp_path, tmp_path)) == ["a", "b"]
    half = icosphere(1)
    write_mesh(tmp_path / "c.ply", Mesh(half.vertices, half.faces[:-1]))
    with pytest.raises(DataError, match="open edges"):
        given.shapes(tmp_path, tmp_path)
    write_points(tmp_path / "d.ply", PointCloud(icosphere(2).vertices))
    with pytest.raises(DataError, match="points alone"):
        given.shapes(tmp_path, tmp_path / "d.ply")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no meshes"):
        given.shapes(tmp_path, tmp_path / "empty")


def test_every_case_is_measured_drawn_and_kept(ball, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "TESTED", 500)
    monkeypatch.setattr(supervision_figure, "DETAIL", 16)
    first = examine(tmp_path, TINY, silent, data=ball)
    json.dumps(first.numbers)
    assert len(first.numbers["cases"]) == len(WAYS) * 2
    with Image.open(tmp_path / "figure.png") as picture:
        assert picture.size[0] > 1000
    monkeypatch.setattr(study, "learn", None)
    assert examine(tmp_path, TINY, silent, data=ball) == first
    with pytest.raises(TypeError):  # another size is learned anew
        examine(tmp_path, Size((40,), 40, 8, 2, 3, 32, 12), silent, data=ball)


@pytest.mark.parametrize(("raw", "holds"), [(0.9, True), (1.05, True), (1.3, False), (None, False)])
def test_the_verdict_follows_the_numbers(raw, holds):
    """`raw`: the error of points without normals, by that of full supervision."""
    cases = []
    for way in WAYS:
        error = 0.01 if way in FULL_3D or way == RAW[0] else raw and 0.01 * raw
        for amount in (10, 20):
            cases.append({"shape": "a", "way": way, "amount": amount, "chamfer": error})
    assert judge({"size": {"amounts": (10, 20)}, "cases": cases}).holds == holds


def test_where_nothing_got_a_surface_nothing_is_as_good():
    cases = [{"shape": "a", "way": way, "amount": 10, "chamfer": None} for way in WAYS]
    verdict = judge({"size": {"amounts": (10,)}, "cases": cases})
    assert not verdict.holds
    assert "10: none, none" in verdict.found
