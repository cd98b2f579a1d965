"""Curvature at the vertices of meshes of surfaces whose curvature is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rayfield.core.check import UsageError
from rayfield.core.types import Mesh
from rayfield.geometry.curvature import vertex_curvature
from rayfield.geometry.marching import Search, extract
from rayfield.math import algebraic, sdf

CUBE = {"box_min": (-1.0, -1.0, -1.0), "box_max": (1.0, 1.0, 1.0)}
MAJOR, MINOR = 0.6, 0.25


def mesh_of(field, inside="below"):
    search = Search(project=3)
    return extract(field, level=0.0, resolution=24, inside=inside, search=search, **CUBE)


@pytest.mark.parametrize("step", [None, 0.02])
@pytest.mark.parametrize(
    "field", [lambda p: sdf.sphere(p, 0.7), lambda p: algebraic.sphere(p, 0.7)]
)
def test_a_sphere_has_one_over_radius_and_its_square(field, step):
    found = vertex_curvature(mesh_of(field), field, inside="below", step=step)
    np.testing.assert_allclose(found.mean, 1 / 0.7, rtol=1e-4 if step is None else 5e-3)
    np.testing.assert_allclose(found.gaussian, 0.7**-2, rtol=1e-4 if step is None else 1e-2)


@pytest.mark.parametrize("step", [None, 0.02])
def test_a_torus_has_the_curvature_of_its_closed_form(step):
    def field(p):
        return sdf.torus(p, MAJOR, MINOR)

    mesh = mesh_of(field)
    found = vertex_curvature(mesh, field, inside="below", step=step)
    ring = np.linalg.norm(mesh.vertices[:, :2], axis=1)
    cosine = (ring - MAJOR) / MINOR
    scale = 1e-3 if step is None else 3e-2
    mean = (MAJOR + 2 * MINOR * cosine) / (2 * MINOR * ring)
    np.testing.assert_allclose(found.mean, mean, atol=scale * 2)
    np.testing.assert_allclose(found.gaussian, cosine / (MINOR * ring), atol=scale * 10)
    assert found.gaussian.min() < -5 < 0 < 4 < found.gaussian.max()


def test_a_density_bulges_as_its_solid_does():
    def density(p):
        return torch.exp(-3 * sdf.sphere(p, 0.7)) - 1

    found = vertex_curvature(mesh_of(density, "above"), density, inside="above")
    np.testing.assert_allclose(found.mean, 1 / 0.7, rtol=1e-3)


def test_without_a_normal_there_is_no_curvature():
    middle = Mesh(np.zeros((1, 3)), np.zeros((0, 3), np.int32))
    found = vertex_curvature(middle, lambda p: algebraic.sphere(p, 1.0), inside="below")
    assert np.isnan(found.mean).all()
    assert np.isnan(found.gaussian).all()


def test_an_impossible_step_is_refused():
    with pytest.raises(UsageError, match="step 0"):
        vertex_curvature(
            mesh_of(lambda p: sdf.sphere(p, 0.7)), lambda p: p[:, 0], inside="below", step=0.0
        )
