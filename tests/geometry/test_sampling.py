"""Points of a surface: where they lie, how they are spread, what fixes them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rayfield.core.check import RayfieldError
from rayfield.core.types import Mesh
from rayfield.geometry.sampling import sample_surface

# One triangle of area 1.5 at z = 0, one of area 0.5 at z = 5 that looks down, one without area.
CORNERS = np.array([[0, 0, 0], [3, 0, 0], [0, 1, 0], [0, 0, 5], [1, 0, 5], [0, 1, 5.0]])
MESH = Mesh(CORNERS, np.array([[0, 1, 2], [3, 5, 4], [3, 3, 4]], np.int32))


def test_samples_are_spread_by_area(generator):
    points = sample_surface(MESH, 40_000, generator=generator).points
    assert (points[:, 2] > 2).mean() == pytest.approx(0.25, abs=0.01)


def test_samples_are_uniform_within_a_triangle(generator):
    """Their mean is the centroid, their covariance that of a triangle: sum (v - c)(v - c)' / 12."""
    points = sample_surface(MESH, 40_000, generator=generator).points
    first, corners = points[points[:, 2] < 2], CORNERS[:3]
    offsets = corners - corners.mean(axis=0)
    np.testing.assert_allclose(first.mean(axis=0), corners.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(np.cov(first.T), offsets.T @ offsets / 12, atol=0.01)


def test_samples_lie_on_their_faces_and_carry_unit_normals(generator):
    cloud = sample_surface(MESH, 1000, generator=generator)
    high = cloud.points[:, 2] > 2
    np.testing.assert_allclose(cloud.points[:, 2], np.where(high, 5, 0), atol=1e-12)
    np.testing.assert_array_equal(cloud.normals[:, 2], np.where(high, -1, 1))


def test_the_seed_fixes_the_samples():
    once, again, other = (
        sample_surface(MESH, 50, generator=torch.Generator().manual_seed(s)).points
        for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)
    fixed = [sample_surface(MESH, 50, generator=None).points for _ in range(2)]
    np.testing.assert_array_equal(*fixed)


def test_samples_keep_their_digits_far_from_the_origin(generator):
    far = Mesh(CORNERS + 1e6, MESH.faces)
    z = sample_surface(far, 100, generator=generator).points[:, 2] - 1e6
    np.testing.assert_allclose(np.minimum(np.abs(z), np.abs(z - 5)), 0, atol=1e-8)


@pytest.mark.parametrize("faces", [[[0, 0, 1]], []])
def test_a_mesh_without_area_has_no_samples(faces, generator):
    flat = Mesh(CORNERS, np.array(faces, np.int32).reshape(-1, 3))
    with pytest.raises(RayfieldError, match="without area"):
        sample_surface(flat, 5, generator=generator)
