"""Occupancy of meshes: exact shapes, and what is said where there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rayfield.core.check import DataError
from rayfield.core.types import Mesh
from rayfield.data.shape_samples import (
    FILLED,
    NEAR,
    ShapeSampler,
    near_surface,
    read_shape,
)
from rayfield.geometry.distance import inside_of
from rayfield.geometry.meshio import write_mesh


def box(low=(0.2, 0.3, 0.4), high=(0.8, 0.7, 0.6), *, keep: int = 12) -> Mesh:
    """A closed box of 12 triangles, or one with only the first `keep` of them."""
    corners = np.array([[(low, high)[i >> a & 1][a] for a in range(3)] for i in range(8)], float)
    quads = [(0, 4, 6, 2), (1, 3, 7, 5), (0, 1, 5, 4), (2, 6, 7, 3), (0, 2, 3, 1), (4, 5, 7, 6)]
    faces = [f for a, b, c, d in quads for f in ((a, b, c), (a, c, d))][:keep]
    return Mesh(corners, np.array(faces, np.int32))


def in_box(points, low=(0.2, 0.3, 0.4), high=(0.8, 0.7, 0.6)):
    return ((points > torch.tensor(low)) & (points < torch.tensor(high))).all(dim=1)


def test_inside_of_a_box_is_where_its_bounds_say(generator):
    points = torch.rand(20_000, 3, generator=generator)
    assert torch.equal(inside_of(box())(points), in_box(points))


def test_a_box_with_a_hole_still_has_an_inside(generator):
    points = torch.rand(20_000, 3, generator=generator)
    found = inside_of(box(keep=11))(points)
    assert float((found == in_box(points)).float().mean()) > 0.97


def test_reading_fits_the_mesh_into_the_cube_and_remembers_how(tmp_path):
    far = box(low=(1000.0, -4.0, 7.0), high=(1010.0, 1.0, 9.0))
    write_mesh(tmp_path / "box.ply", far)
    shape = read_shape(tmp_path / "box.ply")
    low, high = shape.mesh.vertices.min(axis=0), shape.mesh.vertices.max(axis=0)
    np.testing.assert_allclose((low + high) / 2, 0.5, atol=1e-6)
    assert (high - low).max() == pytest.approx(FILLED, rel=1e-5)
    world = shape.mesh.vertices @ shape.world_from_unit[:3, :3].T + shape.world_from_unit[:3, 3]
    np.testing.assert_allclose(world, far.vertices, atol=1e-3)
    assert shape.notes == ()


def test_an_open_mesh_is_noted(tmp_path):
    write_mesh(tmp_path / "open.ply", box(keep=11))
    assert "the mesh is open (3 edges)" in read_shape(tmp_path / "open.ply").notes[0]


def test_the_share_of_points_inside_is_the_volume(tmp_path, generator):
    write_mesh(tmp_path / "box.ply", box())
    shape = read_shape(tmp_path / "box.ply")
    values = ShapeSampler(shape, pool=1 << 16).sample(1 << 16, generator=generator).values
    # the longest side, 0.6, becomes FILLED
    expected = 0.6 * 0.4 * 0.2 * (FILLED / 0.6) ** 3
    deviation = math.sqrt(expected * (1 - expected) / (1 << 16))
    assert float(values.mean()) == pytest.approx(expected, abs=6 * deviation)


def test_samples_are_those_of_the_pool_and_the_seed_fixes_it(tmp_path, generator):
    write_mesh(tmp_path / "box.ply", box())
    shape = read_shape(tmp_path / "box.ply")
    batch = ShapeSampler(shape, pool=500).sample(64, generator=generator)
    assert batch.points.shape == (64, 3)
    assert torch.equal(inside_of(shape.mesh)(batch.points), batch.values[:, 0] > 0.5)
    again = ShapeSampler(shape, pool=500).sample(64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(batch.points, again.points)


def test_points_near_the_surface_are_as_far_off_as_stated(generator):
    """Along the normal of a large flat side the distance is Gaussian of deviation NEAR."""
    mesh = box(low=(0.0, 0.0, 0.0), high=(1.0, 1.0, 1.0))
    points = near_surface(mesh, 60_000, generator=generator)
    distance = torch.minimum(points.abs(), (points - 1).abs()).amin(dim=1)
    # mean of |N(0, NEAR)|; near edges the nearest side may be another one
    assert float(distance.mean()) == pytest.approx(NEAR * math.sqrt(2 / math.pi), rel=0.06)


def test_a_mesh_without_area_has_no_inside(tmp_path):
    flat = box(low=(0.5, 0.5, 0.5), high=(0.5, 0.5, 0.5))
    write_mesh(tmp_path / "flat.ply", flat)
    with pytest.raises(DataError, match="no faces with an area"):
        read_shape(tmp_path / "flat.ply")
