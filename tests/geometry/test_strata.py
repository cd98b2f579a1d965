"""The finite search for gaps between convex pieces."""

from __future__ import annotations

import numpy as np
import pytest

from rayfield.geometry import solids
from rayfield.geometry.convex_cover import cover_randomly, extend, piece_at, uncovered
from rayfield.geometry.polyhedron import polyhedron
from rayfield.geometry.strata import gaps, on_surface


def left_over(solid, pieces) -> np.ndarray:
    found = gaps(solid, lambda points: uncovered(solid, pieces, points))
    return np.concatenate([gap.points for gap in found])


@pytest.fixture
def halves():
    """An L-prism and the two boxes that fill it but only touch, at x = 0."""
    solid = polyhedron(solids.l_prism())
    boxes = []
    for middle, across in (([-0.4, 0.0, 0.0], True), ([0.4, -0.4, 0.0], False)):
        height = solid.planes[:, :3] @ middle + solid.planes[:, 3]
        inward = np.where(height < 0, np.arange(8), np.arange(8) + 8)
        bend = (np.abs(solid.planes[:, 1]) > 0.5) & (np.abs(solid.planes[:, 3]) < 0.1)
        boxes.append(inward[~bend] if across else inward)  # the first box crosses y = 0
    return solid, boxes


def test_a_sheet_between_touching_pieces_is_found_though_it_has_no_volume(halves, generator):
    solid, boxes = halves
    points = np.random.default_rng(0).uniform(-0.8, 0.8, (100_000, 3))
    points = points[(points[:, 0] < 0) | (points[:, 1] < 0)]
    assert not uncovered(solid, boxes, points).any()  # random points see nothing
    found = left_over(solid, boxes)
    assert len(found)
    assert (np.abs(found[:, 0]) < 1e-12).all()
    extend(solid, boxes, found)
    assert len(boxes) == 3
    assert not len(left_over(solid, boxes))


@pytest.mark.parametrize("shape", [solids.cube, solids.l_prism, solids.frame, solids.star])
def test_the_closing_loop_ends_without_a_gap(shape, generator):
    solid = polyhedron(shape())
    pieces = cover_randomly(solid, generator=generator)
    for gap in gaps(solid, lambda points: uncovered(solid, pieces, points)):
        extend(solid, pieces, gap.points)
    assert not len(left_over(solid, pieces))


def test_every_piece_that_is_needed_is_missed(generator):
    solid = polyhedron(solids.frame())
    pieces = cover_randomly(solid, generator=generator)
    for gap in gaps(solid, lambda points: uncovered(solid, pieces, points)):
        extend(solid, pieces, gap.points)
    assert len(pieces) == 4
    for index in range(4):
        assert len(left_over(solid, pieces[:index] + pieces[index + 1 :]))


def test_no_piece_at_all_leaves_gaps_only_where_planes_meet_inside():
    assert not len(left_over(polyhedron(solids.cube()), []))
    assert len(left_over(polyhedron(solids.star()), []))


def test_progress_ends_at_one():
    solid = polyhedron(solids.cube())
    piece = piece_at(solid, np.zeros(3))
    found = list(gaps(solid, lambda points: uncovered(solid, [piece], points)))
    assert [gap.done for gap in found] == sorted(gap.done for gap in found)
    assert found[-1].done == 1
    assert sum(gap.asked for gap in found) > 8


def test_points_on_faces_edges_and_corners_are_on_the_surface():
    solid = polyhedron(solids.l_prism())
    middles = solid.corners.mean(axis=1)
    edges = (solid.corners[:, 0] + solid.corners[:, 1]) / 2
    on = np.concatenate([middles, edges, solid.corners[:, 0]])
    assert on_surface(solid, on).all()
    normals = solid.planes[solid.plane_of, :3]
    assert not on_surface(solid, middles + 1e-6 * normals).any()
    beyond = np.array([[0.0, -0.4, 0.3], [-0.4, 0.0, 0.3]])  # on planes of faces, off the faces
    assert not on_surface(solid, beyond).any()
