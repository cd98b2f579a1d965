"""Joining vertices on nodes: triangles that shrink to nothing go, the surface stays closed."""

from __future__ import annotations

import numpy as np

from rayfield.geometry.weld import welded

# A prism over the triangle 0 1 2, its upper triangle 3 4 5.
PRISM = np.array(
    [[0, 2, 1], [3, 4, 5], [0, 1, 4], [0, 4, 3], [1, 2, 5], [1, 5, 4], [2, 0, 3], [2, 3, 5]],
    np.int32,
)


def uses(faces):
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    return set(np.unique(edges, axis=0, return_counts=True)[1].tolist())


def test_without_vertices_on_nodes_nothing_changes():
    assert welded(PRISM, np.full(6, -1)) is PRISM


def test_an_edge_on_one_node_is_contracted():
    faces = welded(PRISM, np.array([7, 7, -1, -1, -1, -1]))
    assert len(faces) == len(PRISM) - 2
    assert uses(faces) == {2}
    assert faces.dtype == PRISM.dtype


def test_a_triangle_on_one_node_becomes_the_tip_of_a_tetrahedron():
    faces = welded(PRISM, np.array([-1, -1, -1, 7, 7, 7]))
    assert len(faces) == 4
    assert uses(faces) == {2}


def test_two_sheets_that_only_touch_stay_apart():
    both = np.concatenate([PRISM, PRISM + 6])
    node = np.full(12, -1)
    node[[0, 6]] = 7
    np.testing.assert_array_equal(welded(both, node), both)


def test_what_would_make_an_edge_of_four_faces_is_not_joined():
    """Two neighbours around a ring of three: the third would be met from both sides."""
    ring = np.array([[0, 1, 3], [1, 2, 3], [2, 0, 3], [1, 0, 4], [2, 1, 4], [0, 2, 4]])
    faces = welded(ring, np.array([7, 7, -1, -1, -1]))
    np.testing.assert_array_equal(faces, ring)
