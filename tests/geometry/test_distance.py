"""Distances and insides against brute force and exact shapes, on sound and on broken meshes."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
import trimesh

from rayfield.core.check import RayfieldError
from rayfield.core.types import Mesh
from rayfield.geometry import distance as d

HALF = np.array([1.0, 0.7, 0.4])


def box(half=HALF, center=(0.0, 0.0, 0.0)) -> Mesh:
    shape = trimesh.creation.box(extents=2 * np.asarray(half))
    return Mesh(shape.vertices + np.array(center), shape.faces.astype(np.int32))


def sphere(detail: int = 4) -> Mesh:
    ball = trimesh.creation.icosphere(subdivisions=detail)
    return Mesh(np.asarray(ball.vertices), ball.faces.astype(np.int32))


def exact_box(points, half=HALF):
    """The signed distance of a box about the origin."""
    q = np.abs(points) - half
    return np.linalg.norm(q.clip(0), axis=1) + q.max(axis=1).clip(None, 0)


def to_segment(p, a, b):
    t = ((p - a) @ (b - a)) / max((b - a) @ (b - a), 1e-300)
    return np.linalg.norm(p - a - np.clip(t, 0, 1) * (b - a))


def to_triangle(p, a, b, c):
    """The distance of a point to a triangle, in the words of its definition: to its plane where
    the foot is within the triangle, else to its nearest side."""
    sides = min(to_segment(p, a, b), to_segment(p, b, c), to_segment(p, c, a))
    normal = np.cross(b - a, c - a)
    if normal @ normal < 1e-30:
        return sides
    foot = p - ((p - a) @ normal) / (normal @ normal) * normal
    turns = [np.cross(w - v, foot - v) @ normal for v, w in ((a, b), (b, c), (c, a))]
    return abs((p - a) @ normal) / np.linalg.norm(normal) if min(turns) >= 0 else sides


def queries(seed=0, n=400, reach=1.5):
    return np.random.default_rng(seed).uniform(-reach, reach, (n, 3))


def test_closest_points_of_any_triangles_agree_with_brute_force():
    rng = np.random.default_rng(1)
    soup = rng.normal(size=(30, 3))
    faces = rng.integers(0, 30, (25, 3))
    faces[0], faces[1] = (4, 4, 4), (5, 6, 5)  # a point and a segment
    soup[9] = (soup[7] + soup[8]) / 2
    faces[2] = (7, 8, 9)  # three points of a line
    mesh, points = Mesh(soup, faces), queries(n=60)
    found = d.MeshDistance(mesh).closest(points)
    wanted = np.array([[to_triangle(p, *soup[f]) for f in faces] for p in points])
    np.testing.assert_allclose(found.distance, wanted.min(axis=1), atol=1e-12)
    np.testing.assert_allclose(wanted[np.arange(60), found.face], found.distance, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(points - found.point, axis=1), found.distance)


def test_signed_distance_of_a_box_is_the_exact_one():
    points = queries()
    np.testing.assert_allclose(d.signed_distance(box(), points), exact_box(points), atol=1e-12)


def test_signed_distance_of_a_sphere_errs_by_no_more_than_its_facets():
    points = queries(2)
    found, exact = d.signed_distance(sphere(), points), np.linalg.norm(points, axis=1) - 1
    assert ((found - exact >= -1e-12) & (found - exact < 0.002)).all()


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 1e6), (1e-9, 0.0), (1e-3, 4e5), (1e9, 0.0)])
def test_a_moved_and_scaled_mesh_has_moved_and_scaled_distances(scale, shift):
    points = queries(3)
    mesh = Mesh(box().vertices * scale + shift, box().faces)
    found = d.signed_distance(mesh, points * scale + shift)
    rounding = 4 * np.finfo(float).eps * (scale + shift)
    np.testing.assert_allclose(found, exact_box(points) * scale, rtol=1e-9, atol=rounding)


@pytest.mark.parametrize("off", [1e-2, 1e-4, 1e-6])
def test_the_sign_is_right_close_to_the_surface(off):
    points = queries(4) / np.linalg.norm(queries(4), axis=1, keepdims=True)
    foot = d.MeshDistance(sphere()).closest(points * 0.9).point
    outward = foot / np.linalg.norm(foot, axis=1, keepdims=True)
    assert d.MeshDistance(sphere()).inside(foot - off * outward).all()
    assert not d.MeshDistance(sphere()).inside(foot + off * outward).any()


def broken(fault: str) -> Mesh:
    """A sphere of 5,120 faces with a fault that leaves its surface nearly the same."""
    mesh = sphere()
    faces = mesh.faces.copy()
    if fault == "hole":
        faces = faces[25:]
    elif fault == "flipped":
        faces[:25] = faces[:25, ::-1]
    elif fault == "doubled":
        faces = np.concatenate([faces, faces[:25]])
    elif fault == "unwelded":
        return Mesh(mesh.vertices[faces].reshape(-1, 3), np.arange(3 * len(faces)).reshape(-1, 3))
    elif fault == "inside out":
        faces = faces[:, ::-1].copy()
    return Mesh(mesh.vertices, faces)


@pytest.mark.parametrize("fault", ["hole", "flipped", "doubled", "unwelded", "inside out"])
def test_broken_meshes_keep_true_magnitudes_and_nearly_all_signs(fault):
    points = queries(5, n=4000)
    mesh = broken(fault)
    found = d.signed_distance(mesh, points)
    np.testing.assert_array_equal(np.abs(found), d.unsigned_distance(mesh, points))
    exact = np.linalg.norm(points, axis=1) - 1
    assert (np.sign(found) == np.sign(exact)).mean() > 0.995
    if fault != "hole":  # the sphere without its hole is another surface
        assert np.abs(np.abs(found) - np.abs(exact)).max() < 0.002


def test_overlapping_parts_are_inside_and_cavities_outside():
    far, parts = np.array([0.5, 0.0, 0.0]), [box(), box(center=(0.5, 0.0, 0.0))]
    hollow = box(HALF / 2)
    vertices = np.concatenate([p.vertices for p in (*parts, hollow)])
    faces = [parts[0].faces, parts[1].faces + 8]
    both = Mesh(vertices, np.concatenate(faces))
    points = queries(6, n=2000)
    inside = np.minimum(exact_box(points), exact_box(points - far)) < 0
    np.testing.assert_array_equal(d.MeshDistance(both).inside(points), inside)
    shell = Mesh(vertices, np.concatenate([faces[0], hollow.faces[:, ::-1] + 16]))
    inside = (exact_box(points) < 0) & (exact_box(points, HALF / 2) > 0)
    np.testing.assert_array_equal(d.MeshDistance(shell).inside(points), inside)


def test_the_winding_number_is_the_solid_angle_over_four_pi():
    """From the middle of a cube each of its sides is seen under a sixth of the full angle."""
    cube = box((1.0, 1.0, 1.0))
    middle = np.zeros((1, 3))
    for kept in range(1, 7):
        sides = np.round(cube.vertices[cube.faces].mean(axis=1) * 1.4)  # near +-1 on one axis
        axis, sign = np.abs(sides).argmax(axis=1), sides.max(axis=1) > 0.5
        mesh = Mesh(cube.vertices, cube.faces[2 * axis + sign < kept])
        found = d.winding_number(mesh, middle)
        assert found[0] == pytest.approx(kept / 6, abs=1e-3)


def test_inside_of_speaks_tensors(generator):
    points = 3 * torch.rand(500, 3, generator=generator) - 1.5
    found = d.inside_of(box())(points)
    assert found.dtype == torch.bool
    np.testing.assert_array_equal(found.numpy(), exact_box(points.double().numpy()) < 0)


def test_nearest_neighbours_agree_with_brute_force():
    points, others = queries(7, n=50), queries(8, n=70)
    all_pairs = np.linalg.norm(points[:, None] - others[None], axis=-1)
    found = d.nearest(points, others)
    np.testing.assert_array_equal(found.neighbour, all_pairs.argmin(axis=1))
    np.testing.assert_allclose(found.distance, all_pairs.min(axis=1))


def test_no_points_have_no_distances():
    none = np.zeros((0, 3))
    for ask in (d.signed_distance, d.unsigned_distance, d.winding_number):
        assert ask(box(), none).shape == (0,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"faces": np.zeros((0, 3), int)}, "without faces"),
        ({"faces": np.array([[0, 1, 8]])}, "beyond the 8 vertices"),
        ({"faces": np.array([[0, 1, -1]])}, "beyond the 8 vertices"),
        ({"vertices": np.full((8, 3), np.nan)}, "not finite"),
    ],
)
def test_meshes_that_compiled_code_must_not_see_are_refused(change, message):
    parts = {"vertices": box().vertices, "faces": box().faces} | change
    with pytest.raises(RayfieldError, match=message):
        d.MeshDistance(Mesh(**parts))


def test_points_that_are_nowhere_are_refused():
    with pytest.raises(RayfieldError, match="not finite"):
        d.signed_distance(box(), np.array([[np.nan, 0, 0]]))
    with pytest.raises(RayfieldError, match="at least one"):
        d.nearest(queries(), np.zeros((0, 3)))


def test_a_vertex_that_no_face_uses_changes_nothing():
    stray = np.array([[1e9, np.nan, 0.0]])
    mesh = Mesh(np.concatenate([box().vertices, stray]), box().faces)
    points = queries(9)
    np.testing.assert_allclose(d.signed_distance(mesh, points), exact_box(points), atol=1e-12)


def test_all_corners_at_corners_of_a_cube_are_found_at_distance_zero():
    corners = np.array(list(product((-1.0, 1.0), repeat=3)))
    assert np.abs(d.signed_distance(box((1.0, 1.0, 1.0)), corners)).max() < 1e-12
