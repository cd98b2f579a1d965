"""The study of one point seen from everywhere."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from rayfield.core.types import Rays, Rendered
from rayfield.data.demo import demo_photos
from rayfield.geometry.meshio import read_mesh
from rayfield.studies import view_dependence as study
from rayfield.studies.sphere import hemisphere
from rayfield.studies.views import Field


@pytest.fixture(scope="module")
def mesh():
    return read_mesh(demo_photos() / "mesh.ply")


@pytest.mark.parametrize("name", study.POINTS)
def test_the_points_lie_on_the_true_surface_and_face_upwards(mesh, name):
    point = np.array(study.POINTS[name])
    middles = mesh.vertices[mesh.faces].mean(axis=1)
    level = np.abs(middles[:, 2] - point[2]) < 0.01
    beside = np.linalg.norm(middles[:, :2] - point[:2], axis=1) < 0.12
    assert (level & beside).any()


def test_photos_agree_about_the_stone_and_disagree_about_the_ball(scene, mesh):
    ball, stone = (study.in_photos(scene, mesh, np.array(p)) for p in study.POINTS.values())
    for found in (ball, stone):
        assert len(found.photos) > 30
        assert 4 <= found.held_out.sum() <= 16
        assert (found.directions[:, 2] > 0.34).all()
    assert ball.photos.mean(axis=1).std() > 2 * stone.photos.mean(axis=1).std()


def test_radiance_is_that_of_the_point_and_not_of_the_backdrop(scene):
    def render(rays: Rays) -> Rendered:
        """Half opaque, coloured by the direction of the ray, over white."""
        opacity = torch.full((len(rays.near),), 0.5)
        color = 0.5 * (rays.directions + 1) / 2 + 0.5
        return Rendered(color, opacity, opacity, opacity.long(), opacity)

    field = Field(render, lambda x: x[:, 0], lambda x, d: x)
    towards, _ = hemisphere(8)
    found = study.radiance(field, scene, np.zeros(3), towards=towards)
    np.testing.assert_allclose(found, (1 - towards) / 2, atol=1e-6)


def test_the_study_runs_and_its_verdict_compares_the_points(tmp_path):
    size = study.Size(steps=40, side=24, downscale=8)
    found = study.examine(tmp_path, size, lambda done, what: None)
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    numbers = copy.deepcopy(found.numbers)
    ball, stone = numbers["points"].values()
    ball |= {"spread_field": 0.2, "error": 0.05, "constant_error": 0.2}
    stone |= {"spread_field": 0.05}
    assert study.judge(numbers).holds
    ball["error"] = 0.25
    assert not study.judge(numbers).holds
    ball["error"], stone["spread_field"] = 0.05, 0.15
    assert not study.judge(numbers).holds
