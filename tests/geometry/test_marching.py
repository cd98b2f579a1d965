"""Meshes of analytic shapes: measures, topology, orientation, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rayfield.core.check import RayfieldError, UsageError
from rayfield.geometry.marching import Search, extract
from rayfield.geometry.mesh import area, face_normals, report, volume

CUBE = {"box_min": (-1.0, -1.0, -1.0), "box_max": (1.0, 1.0, 1.0)}


def sphere(radius, center=(0.0, 0.0, 0.0)):
    return lambda p: (p - torch.tensor(center)).norm(dim=1) - radius


def torus(p):
    ring = torch.stack([p[:, :2].norm(dim=1) - 0.6, p[:, 2]], dim=1)
    return ring.norm(dim=1) - 0.25


@pytest.mark.parametrize("center", [(0.0, 0.0, 0.0), (0.11, -0.07, 0.03)])
def test_sphere_area_and_volume_are_underestimated_within_one_percent(center):
    mesh = extract(sphere(0.8, center), level=0.0, resolution=40, inside="below", **CUBE)
    assert 0.99 < area(mesh) / (4 * math.pi * 0.8**2) < 1
    assert 0.99 < volume(mesh) / (4 / 3 * math.pi * 0.8**3) < 1


@pytest.mark.parametrize("cells", [24, 48])
def test_sphere_vertices_are_within_the_interpolation_bound(cells):
    mesh = extract(sphere(0.8), level=0.0, resolution=cells, inside="below", **CUBE)
    error = np.abs(np.linalg.norm(mesh.vertices, axis=1) - 0.8).max()
    assert error <= (2 / cells) ** 2 / (8 * 0.8) * 1.02


def test_vertices_of_an_affine_field_lie_on_its_plane():
    n = torch.tensor([0.6, -0.48, 0.64])
    mesh = extract(lambda p: p @ n - 0.1, level=0.0, resolution=17, inside="below", **CUBE)
    inner = (np.abs(mesh.vertices) < 0.99).all(axis=1)
    assert inner.sum() > 100
    assert np.abs(mesh.vertices[inner] @ n.numpy() - 0.1).max() < 1e-6


def test_off_centre_ellipsoid_has_no_half_cell_shift():
    center = np.array([0.3, -0.2, 0.15])
    radii = torch.tensor([0.4, 0.3, 0.5])

    def field(p):
        return ((p - torch.tensor(center).float()) / radii).norm(dim=1)

    mesh = extract(field, level=1.0, resolution=50, inside="below", **CUBE)
    middle = (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2
    half = (mesh.vertices.max(axis=0) - mesh.vertices.min(axis=0)) / 2
    np.testing.assert_allclose(middle, center, atol=2e-3)
    np.testing.assert_allclose(half, radii.numpy(), atol=4e-3)


@pytest.mark.parametrize(("field", "euler"), [(sphere(0.7), 2), (torus, 0)])
def test_closed_shapes_have_their_euler_number(field, euler):
    found = report(extract(field, level=0.0, resolution=32, inside="below", **CUBE))
    assert found["euler_number"] == euler
    assert found["boundary_edges"] == found["nonmanifold_edges"] == 0
    assert found["components"] == 1


@pytest.mark.parametrize("inside", ["above", "below"])
def test_faces_and_normals_look_outward_whichever_side_is_solid(inside):
    sign = 1 if inside == "below" else -1
    mesh = extract(lambda p: sign * sphere(0.8)(p), level=0.0, resolution=20, inside=inside, **CUBE)
    assert volume(mesh) > 0
    assert mesh.normals is not None
    assert ((mesh.normals * mesh.vertices).sum(axis=1) > 0.79).all()


def test_density_and_its_logarithm_enclose_the_same_solid():
    """A steep density and its logarithm cross the level at the same places, within a cell."""
    steep = extract(
        lambda p: torch.exp(-8 * sphere(0.6)(p)), level=1.0, resolution=40, inside="above", **CUBE
    )
    exact = extract(sphere(0.6), level=0.0, resolution=40, inside="below", **CUBE)
    assert volume(steep) == pytest.approx(volume(exact), rel=0.02)


@pytest.mark.parametrize(
    "field",
    [
        sphere(0.6, (0.9, 0.1, -0.2)),  # leaves through one face
        sphere(0.6, (0.9, 0.9, 0.9)),  # through a corner
        lambda p: p[:, :2].norm(dim=1) - 0.5,  # a column through two faces
        lambda p: 0.5 - p.norm(dim=1),  # all but a cavity
    ],
)
def test_solids_leaving_the_box_are_closed_on_its_faces(field):
    mesh = extract(field, level=0.0, resolution=24, inside="below", **CUBE)
    found = report(mesh)
    assert found["boundary_edges"] == found["nonmanifold_edges"] == 0
    assert volume(mesh) > 0
    assert np.abs(mesh.vertices).max() <= 1


def test_a_half_space_fills_half_of_the_box():
    mesh = extract(lambda p: p[:, 0] - 0.1, level=0.0, resolution=16, inside="below", **CUBE)
    assert volume(mesh) == pytest.approx(1.1 * 4, rel=1e-3)
    assert report(mesh)["euler_number"] == 2


def test_surfaces_through_grid_nodes_stay_closed_without_degenerate_faces():
    """An octahedron whose corners, edges and faces all pass exactly through nodes."""
    mesh = extract(
        lambda p: (8 * p).round().abs().sum(dim=1),
        level=4.0,
        resolution=16,
        inside="below",
        **CUBE,
    )
    found = report(mesh)
    assert found["boundary_edges"] == found["nonmanifold_edges"] == 0
    assert found["euler_number"] == 2
    assert np.linalg.norm(face_normals(mesh), axis=1).min() > 1e-4


def test_anisotropic_boxes_keep_cells_nearly_cubic_and_shapes_round():
    calls = []

    def field(p):
        calls.append(len(p))
        return sphere(0.4, (3.0, 0.5, 0.5))(p)

    box = {"box_min": (0.0, 0.0, 0.0), "box_max": (5.0, 1.0, 1.0)}
    dense = Search(coarse=150)
    mesh = extract(field, level=0.0, resolution=150, inside="below", search=dense, **box)
    assert sum(calls) == 151 * 31 * 31
    assert 0.98 < volume(mesh) / (4 / 3 * math.pi * 0.4**3) < 1
    np.testing.assert_allclose(mesh.vertices.mean(axis=0), [3.0, 0.5, 0.5], atol=2e-3)


def counted(field):
    """The field, and a list of how many points each call of it had."""
    calls = []

    def counting(p):
        calls.append(len(p))
        return field(p)

    return counting, calls


def assert_same(a, b):
    np.testing.assert_array_equal(a.faces, b.faces)
    np.testing.assert_array_equal(a.vertices, b.vertices)


ONET = {"box_min": (-0.55, -0.55, -0.55), "box_max": (0.55, 0.55, 0.55)}


def test_multiresolution_asks_for_few_nodes_and_gives_the_dense_mesh():
    """The sphere in the box of Occupancy Networks: 7.6 % of the nodes of 128^3 cells."""
    found = {}
    for coarse in (32, 128):
        field, calls = counted(sphere(0.4))
        search = Search(coarse=coarse)
        mesh = extract(field, level=0.0, resolution=128, inside="below", search=search, **ONET)
        found[coarse] = sum(calls), mesh
        assert max(calls) <= 2**18
    assert found[32][0] == 163_261
    assert found[128][0] == 129**3 == 2_146_689
    assert_same(found[32][1], found[128][1])


def test_by_itself_the_search_begins_at_a_quarter_but_not_below_64():
    for resolution, coarse in ((60, 60), (100, 100), (150, 75), (256, 64)):
        field, calls = counted(sphere(0.4))
        extract(field, level=0.0, resolution=resolution, inside="below", **CUBE)
        assert sum(calls) >= (coarse + 1) ** 3
        assert (sum(calls) == (coarse + 1) ** 3) == (coarse == resolution)


def test_a_ball_within_one_coarse_cell_is_missed():
    """Why the coarse level must be chosen with the smallest separate part in mind."""
    cell = 1.1 / 32
    middle = (16.5 * cell - 0.55,) * 3

    def both(p):
        return torch.minimum(sphere(0.3 * cell, middle)(p), sphere(0.1, (0.3, 0.3, 0.3))(p))

    pieces = {}
    for coarse in (32, 64):
        search = Search(coarse=coarse)
        mesh = extract(both, level=0.0, resolution=128, inside="below", search=search, **ONET)
        pieces[coarse] = report(mesh)["components"]
    assert pieces == {32: 1, 64: 2}


def test_a_field_with_nothing_but_a_missed_ball_is_refused_with_advice():
    ball = sphere(0.3 * 1.1 / 32, (0.5 * 1.1 / 32,) * 3)
    with pytest.raises(RayfieldError, match=r"nowhere below 0; .*or begin finer than 32 cells"):
        extract(ball, level=0.0, resolution=128, inside="below", search=Search(coarse=32), **ONET)


def test_fields_that_are_not_finite_between_coarse_nodes_are_refused():
    def field(p):
        values = sphere(0.4)(p)
        return torch.where(
            (p - torch.tensor([0.41, 0.013, 0.013])).norm(dim=1) < 0.013, torch.nan, values
        )

    with pytest.raises(RayfieldError, match=r"not finite at \d+ of \d+ points in the box"):
        extract(field, level=0.0, resolution=128, inside="below", search=Search(coarse=32), **ONET)


@pytest.mark.parametrize("sharpness", [1.0, 8.0])
def test_projected_vertices_lie_on_the_surface_within_their_cells(sharpness):
    """A signed distance, and a density that grows eightfold in a ninth of the radius."""

    def field(p):
        return torch.exp(-sharpness * sphere(0.6)(p))

    plain, exact = (
        extract(
            field, level=1.0, resolution=24, inside="above", search=Search(project=steps), **CUBE
        )
        for steps in (0, 4)
    )
    error = [np.abs(np.linalg.norm(m.vertices, axis=1) - 0.6).max() for m in (plain, exact)]
    assert error[1] < 1e-6 < 1e-4 < error[0]
    np.testing.assert_array_equal(plain.faces, exact.faces)
    assert np.linalg.norm(plain.vertices - exact.vertices, axis=1).max() <= 2 / 24


def test_projection_of_a_step_or_onto_the_box_moves_nothing_out_of_its_cell():
    def step(p):
        return (p[:, 0] < 0.3).float() * (p[:, 2] < 0.2)

    plain, moved = (
        extract(
            step, level=0.5, resolution=16, inside="above", search=Search(project=steps), **CUBE
        )
        for steps in (0, 30)
    )
    assert np.isfinite(moved.vertices).all()
    assert np.linalg.norm(plain.vertices - moved.vertices, axis=1).max() <= 2 / 16
    assert np.abs(moved.vertices).max() <= 1
    front = np.abs(moved.vertices[:, 0] - 0.3).min()
    assert front < 1e-4 < np.abs(plain.vertices[:, 0] - 0.3).min()


def test_progress_rises_to_one():
    told = []
    extract(sphere(0.5), level=0.0, resolution=80, inside="below", progress=told.append, **CUBE)
    assert told == sorted(told)
    assert len(told) > 1
    assert told[-1] == 1


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (lambda p: torch.zeros(len(p)), r"nowhere above 1; it ranges from 0 to 0 in the box"),
        (lambda p: torch.full((len(p),), 9.0), r"everywhere above 1; .* enlarge the box"),
        (lambda p: torch.where(p[:, 0] > 0.9, torch.nan, 2.0), r"not finite at \d+ of \d+ points"),
        (lambda p: torch.where(p[:, 0] > 0.9, torch.inf, 2.0), r"not finite at \d+ of \d+ points"),
    ],
)
def test_fields_without_a_surface_are_refused_with_their_range(field, message):
    with pytest.raises(RayfieldError, match=message):
        extract(field, level=1.0, resolution=10, inside="above", **CUBE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resolution": 1}, "resolution 1 is too coarse"),
        ({"resolution": 10**5}, r"resolution 100000 needs about \S+ GiB; use \d+ or less"),
        ({"box_min": (1.0, -1.0, -1.0)}, "is empty; give the lower corner first"),
        ({"box_min": (math.nan, 0.0, 0.0)}, "two finite corners"),
        ({"box_min": (0.0, 0.0)}, "two finite corners"),
        ({"level": math.nan}, "level nan is no finite number"),
        ({"level": 1e300}, r"level 1e\+300 is no finite number"),
        ({"search": Search(coarse=9)}, "coarse 9: expected 1 to the resolution, 8"),
        ({"search": Search(coarse=0)}, "coarse 0: expected 1"),
        ({"search": Search(project=-1)}, "project -1: expected 0 rounds or more"),
    ],
)
def test_impossible_boxes_and_resolutions_are_refused_before_any_work(change, message):
    def untouched(p):
        raise AssertionError("the field was evaluated")

    with pytest.raises(UsageError, match=message):
        extract(untouched, **{"level": 0.0, "resolution": 8, "inside": "below", **CUBE, **change})
