"""Closed meshes as solids: planes, inside, distance, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rayfield.core.types import Mesh
from rayfield.geometry import solids
from rayfield.geometry.polyhedron import fault, inside, polygon_distance, polyhedron, winding

SHAPES = {
    "cube": (solids.cube(), 6),
    "l_prism": (solids.l_prism(), 8),
    "frame": (solids.frame(), 10),
    "star": (solids.star(), 8),
}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def joined(*meshes: Mesh) -> Mesh:
    """Several meshes as one."""
    first = np.cumsum([0, *(len(m.vertices) for m in meshes)])
    faces = [m.faces + k for m, k in zip(meshes, first, strict=False)]
    return Mesh(np.concatenate([m.vertices for m in meshes]), np.concatenate(faces))


@pytest.mark.parametrize("name", SHAPES)
def test_faces_of_one_plane_share_it(name):
    mesh, planes = SHAPES[name]
    solid = polyhedron(mesh)
    assert len(solid.planes) == planes
    assert np.allclose(np.linalg.norm(solid.planes[:, :3], axis=1), 1, atol=1e-15)
    own = solid.planes[solid.plane_of]
    height = np.einsum("fck,fk->fc", solid.corners, own[:, :3]) + own[:, 3:]
    assert np.abs(height).max() < 1e-15


def test_half_spaces_are_the_planes_and_their_other_sides():
    solid = polyhedron(solids.l_prism())
    assert np.array_equal(solid.halfspaces[8:], -solid.halfspaces[:8])


@pytest.mark.parametrize("name", SHAPES)
def test_the_winding_number_is_one_inside_and_zero_outside(name, rng):
    solid = polyhedron(SHAPES[name][0])
    points = rng.uniform(-1, 1, (2000, 3))
    turns = winding(solid, points)
    assert np.abs(turns - np.rint(turns)).max() < 1e-12
    assert set(np.rint(turns)) == {0.0, 1.0}
    assert np.array_equal(inside(solid, points), np.rint(turns) == 1)


def test_inside_is_what_the_closed_forms_say(rng):
    points = rng.uniform(-1, 1, (5000, 3))
    x, y, _ = points.T
    boxed = np.abs(points).max(axis=1) < 0.8
    assert np.array_equal(inside(polyhedron(solids.cube()), points), boxed)
    found = inside(polyhedron(solids.l_prism()), points)
    assert np.array_equal(found, boxed & ((x < 0) | (y < 0)))


def test_a_line_along_an_edge_is_decided_by_the_winding_number():
    """Points from which the fixed line of `inside` runs exactly through corners of the solid."""
    from rayfield.geometry.polyhedron import RAY

    solid = polyhedron(solids.star())
    corners = np.unique(solid.corners.reshape(-1, 3), axis=0)
    points = np.concatenate([corners - t * RAY for t in (0.05, 0.4, 1.5)])
    assert np.array_equal(inside(solid, points), np.rint(winding(solid, points)) == 1)


def test_a_cavity_is_outside_whichever_way_its_faces_look(rng):
    outer, inner = solids.cube(), replace(solids.cube(), vertices=solids.cube().vertices / 2)
    points = rng.uniform(-1, 1, (500, 3))
    size = np.abs(points).max(axis=1)
    for faces in (inner.faces, inner.faces[:, ::-1]):
        solid = polyhedron(joined(outer, replace(inner, faces=faces)))
        assert np.array_equal(inside(solid, points), (size < 0.8) & (size > 0.4))


def test_distance_to_polygons_is_that_of_their_nearest_point(rng):
    triangles = rng.normal(size=(20, 3, 3))
    share = rng.dirichlet(np.ones(3), 20000)
    for point in rng.normal(size=(5, 3)):
        near = np.linalg.norm(share @ triangles - point, axis=2).min(axis=1)
        found = polygon_distance(triangles, point)
        assert (found <= near + 1e-12).all()
        assert np.abs(found - near).max() < 0.03
    padded = np.concatenate([triangles, triangles[:, -1:], triangles[:, -1:]], axis=1)
    point = rng.normal(size=3)
    same = polygon_distance(padded, point)
    assert np.allclose(same, polygon_distance(triangles, point), atol=1e-12)


def broken(how: str) -> Mesh:
    mesh = solids.cube()
    if how == "open":
        return replace(mesh, faces=mesh.faces[1:])
    if how == "turned":
        return replace(mesh, faces=np.concatenate([mesh.faces[:1, ::-1], mesh.faces[1:]]))
    if how == "flat":
        return joined(mesh, Mesh(np.eye(3), np.array([[0, 1, 1], [1, 0, 0]], np.int32)))
    if how == "crossing":
        moved = replace(mesh, vertices=mesh.vertices + np.array([0.3, 0.2, 0.1]))
        return joined(mesh, moved)
    if how == "doubled":
        return joined(mesh, mesh)
    return replace(mesh, faces=mesh.faces[:0])


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("open", "open: 3 edges"),
        ("turned", "not oriented"),
        ("flat", "2 of its 14 faces have no area"),
        ("crossing", "crosses itself"),
        ("doubled", "same side"),
        ("empty", "no faces"),
    ],
)
def test_what_bounds_no_solid_is_told(how, said):
    assert said in fault(broken(how))
