"""Measures, components and similarities of meshes with known answers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from rayfield.core.check import RayfieldError
from rayfield.core.types import Mesh
from rayfield.geometry import mesh as m

CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
QUADS = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]


def box(size=1.0, origin=(0.0, 0.0, 0.0)):
    """An axis-aligned cube of 12 triangles looking outwards, its vertices in distinct colours."""
    faces = np.array([t for a, b, c, d in QUADS for t in ((a, b, c), (a, c, d))], dtype=np.int32)
    colors = (CORNERS * 200).astype(np.uint8)
    cube = Mesh(vertices=CORNERS * size + np.array(origin), faces=faces, colors=colors)
    return replace(cube, normals=m.vertex_normals(cube))


def join(*meshes):
    offsets = np.cumsum([0, *[len(x.vertices) for x in meshes[:-1]]])
    return Mesh(
        vertices=np.concatenate([x.vertices for x in meshes]),
        faces=np.concatenate([x.faces + o for x, o in zip(meshes, offsets, strict=True)]),
        normals=np.concatenate([x.normals for x in meshes]),
        colors=np.concatenate([x.colors for x in meshes]),
    )


def rotation(generator_seed=3):
    q, _ = np.linalg.qr(np.random.default_rng(generator_seed).normal(size=(3, 3)))
    return q * np.linalg.det(q)


def similarity(linear, shift=(0.0, 0.0, 0.0)):
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = linear, shift
    return matrix


def test_cube_has_its_area_volume_and_topology():
    found = m.report(box(2.0, (5.0, 0.0, -1.0)))
    assert found == {
        "vertices": 8,
        "faces": 12,
        "boundary_edges": 0,
        "nonmanifold_edges": 0,
        "euler_number": 2,
        "components": 1,
        "box_min": [5.0, 0.0, -1.0],
        "box_max": [7.0, 2.0, 1.0],
        "area": pytest.approx(24.0),
        "volume": pytest.approx(8.0),
    }


def test_crossings_are_counted_where_they_are_asked_for():
    crossed = join(box(), box(1.0, (0.31, 0.37, 0.43)))
    assert "self_intersections" not in m.report(crossed)
    assert m.report(crossed, crossings=True)["self_intersections"] > 0
    assert m.report(box(), crossings=True)["self_intersections"] == 0


def test_report_is_json_even_of_nothing():
    empty = Mesh(vertices=np.zeros((0, 3)), faces=np.zeros((0, 3), dtype=np.int32))
    assert json.loads(json.dumps(m.report(empty)))["faces"] == 0
    assert m.keep_largest(empty) is empty


def test_removing_a_face_opens_three_edges():
    open_box = m.select_faces(box(), np.arange(12) != 4)
    assert m.report(open_box)["boundary_edges"] == 3
    assert m.euler_number(open_box) == 1


def test_volume_survives_coordinates_far_from_the_origin():
    assert m.volume(box(1.0, (1e7, -1e7, 1e7))) == pytest.approx(1, rel=1e-6)


def test_welding_joins_what_coincides_in_order():
    cube = box()
    loose = Mesh(
        vertices=cube.vertices[cube.faces].reshape(-1, 3),
        faces=np.arange(36).reshape(12, 3),
        normals=cube.normals[cube.faces].reshape(-1, 3),
        colors=cube.colors[cube.faces].reshape(-1, 3),
    )
    joined = m.weld(loose)
    assert m.report(joined) == m.report(cube)
    np.testing.assert_array_equal(joined.vertices[joined.faces], cube.vertices[cube.faces])
    np.testing.assert_array_equal(joined.colors[joined.faces], cube.colors[cube.faces])
    np.testing.assert_allclose(joined.normals[joined.faces], cube.normals[cube.faces])
    np.testing.assert_array_equal(joined.faces[0], [0, 1, 2])
    assert m.weld(joined) is joined
    signed = replace(cube, vertices=np.where(cube.vertices == 0, -0.0, cube.vertices))
    assert len(m.weld(join(cube, signed)).vertices) == 8


def test_corner_normals_of_a_cube_point_along_its_diagonals():
    outward = box().vertices - 0.5
    cosine = (m.vertex_normals(box()) * outward).sum(axis=1) / np.linalg.norm(outward, axis=1)
    assert (cosine > 0.9).all()


def test_unused_vertices_get_zero_normals_and_do_not_count():
    cube = box()
    stray = Mesh(vertices=np.vstack([cube.vertices, [[9, 9, 9]]]), faces=cube.faces)
    assert (m.vertex_normals(stray)[-1] == 0).all()
    assert m.euler_number(stray) == 2
    assert m.components(stray).tolist() == [0] * 12


def test_two_boxes_are_two_components():
    labels = m.components(join(box(), box(1.0, (3.0, 0.0, 0.0))))
    assert labels.tolist() == [0] * 12 + [1] * 12


@pytest.mark.parametrize(
    ("choice", "sizes"),
    [
        ({"count": 1}, [3.0]),
        ({"count": 2}, [3.0, 2.0]),
        ({"count": 9}, [3.0, 2.0, 1.0]),
        ({"fraction": 0.2}, [3.0, 2.0]),  # areas 54, 24, 6
        ({"fraction": 1.0}, [3.0]),
        ({"count": 1, "fraction": 0.2}, [3.0]),
        ({}, [3.0, 2.0, 1.0]),
    ],
)
def test_keep_largest_keeps_by_count_and_by_share_of_the_largest(choice, sizes):
    mesh = join(box(1.0), box(3.0, (5.0, 0.0, 0.0)), box(2.0, (10.0, 0.0, 0.0)))
    kept = m.keep_largest(mesh, **choice)
    assert m.volume(kept) == pytest.approx(sum(s**3 for s in sizes))
    assert len(kept.vertices) == len(kept.normals) == len(kept.colors) == 8 * len(sizes)


def test_kept_vertices_keep_their_own_normals_and_colours():
    big = box(3.0, (5.0, 0.0, 0.0))
    kept = m.keep_largest(join(box(1.0), big), count=1)
    np.testing.assert_array_equal(kept.vertices, big.vertices)
    np.testing.assert_array_equal(kept.normals, big.normals)
    np.testing.assert_array_equal(kept.colors, big.colors)


@pytest.mark.parametrize("mirror", [1.0, -1.0])
def test_similarities_scale_measures_and_keep_orientation(mirror):
    linear = 2.5 * rotation() @ np.diag([1.0, 1.0, mirror])
    moved = m.transform(box(), similarity(linear, (1.0, 2.0, 3.0)))
    assert m.volume(moved) == pytest.approx(2.5**3)
    assert m.area(moved) == pytest.approx(6 * 2.5**2)
    np.testing.assert_allclose(moved.normals, m.vertex_normals(box()) @ linear.T / 2.5, atol=1e-12)
    outward = moved.vertices - moved.vertices.mean(axis=0)
    assert ((moved.normals * outward).sum(axis=1) > 0).all()


def test_a_similarity_and_its_inverse_give_the_mesh_back():
    matrix = similarity(0.3 * rotation(), (4.0, -5.0, 6.0))
    back = m.transform(m.transform(box(), matrix), np.linalg.inv(matrix))
    np.testing.assert_allclose(back.vertices, box().vertices, atol=1e-12)
    np.testing.assert_array_equal(back.faces, box().faces)


@pytest.mark.parametrize(
    "matrix",
    [
        similarity(np.diag([1.0, 1.0, 2.0])),
        similarity(np.zeros((3, 3))),
        similarity(np.full((3, 3), np.nan)),
        np.vstack([np.eye(4)[:3], [[0, 0, 0.1, 1]]]),
    ],
)
def test_other_maps_are_refused(matrix):
    with pytest.raises(RayfieldError, match="only be moved by a similarity"):
        m.transform(box(), matrix)
