"""Overlapping convex pieces of a solid."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rayfield.core.check import RayfieldError
from rayfield.geometry import solids
from rayfield.geometry.convex_cover import (
    clip,
    cover_randomly,
    extend,
    piece_at,
    random_points,
    uncovered,
)
from rayfield.geometry.polyhedron import inside, polyhedron
from rayfield.geometry.strata import on_surface

SHAPES = {
    "cube": polyhedron(solids.cube()),
    "l_prism": polyhedron(solids.l_prism()),
    "frame": polyhedron(solids.frame()),
    "star": polyhedron(solids.star()),
}


def test_clipping_keeps_the_part_below_a_plane(generator):
    square = np.array([[[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]], float)
    part, alive = clip(square, np.array([1.0, 0, 0, -0.25]))
    assert alive.all()
    assert sorted({tuple(c) for c in part[0].tolist()}) == [
        (0, 0, 0), (0, 1, 0), (0.25, 0, 0), (0.25, 1, 0),
    ]  # fmt: skip
    part, alive = clip(square, np.array([1.0, 0, 0, 0.0]))
    assert not alive.any()
    assert len(part) == 0
    part, _ = clip(square, np.array([1.0, 0, 0, -2.0]))
    assert np.array_equal(part, square)
    corner, _ = clip(square, np.array([-1.0, -1.0, 0, 1.9]) / np.sqrt(2))
    assert len(np.unique(corner[0], axis=0)) == 3


def test_clipped_areas_add_up(generator):
    rng = np.random.default_rng(0)
    polygons = rng.normal(size=(30, 3, 3))

    def area(p):
        return np.linalg.norm(np.cross(p, np.roll(p, -1, axis=1)).sum(axis=1), axis=1).sum() / 2

    for _ in range(3):
        plane = np.append(rng.normal(size=3), 0.1)
        below, above = (clip(polygons, side)[0] for side in (plane, -plane))
        assert area(below) + area(above) == pytest.approx(area(polygons), rel=1e-12)
        polygons = below


@pytest.mark.parametrize("name", SHAPES)
def test_every_inside_point_has_a_piece_around_it_that_no_face_enters(name, generator):
    """The theorem of the module, also for points on planes of faces."""
    solid = SHAPES[name]
    points = random_points(solid, 500, generator=generator)
    points = points[inside(solid, points)]
    on_plane = points[:40].copy()
    normal = solid.planes[np.arange(40) % len(solid.planes)]
    on_plane -= ((on_plane * normal[:, :3]).sum(1) + normal[:, 3])[:, None] * normal[:, :3]
    on_plane = on_plane[~on_surface(solid, on_plane)]
    on_plane = on_plane[inside(solid, on_plane)]
    assert name == "cube" or len(on_plane) > 2
    for point in [*points[:20], *on_plane]:
        piece = [piece_at(solid, point)]
        assert not uncovered(solid, piece, point[None]).any()
        held = points[~uncovered(solid, piece, points)]
        assert inside(solid, held).all()
        surface = np.concatenate([solid.corners.mean(axis=1), solid.corners[:, 0]])
        forms = solid.halfspaces[piece[0]]
        assert (surface @ forms[:, :3].T + forms[:, 3]).max(axis=1).min() > -1e-14


@pytest.mark.parametrize(("name", "pieces"), [("cube", 1), ("l_prism", 2), ("star", 2)])
def test_simple_solids_need_few_pieces(name, pieces, generator):
    solid = SHAPES[name]
    found = cover_randomly(solid, generator=generator)
    assert len(found) == pieces
    assert name != "cube" or len(found[0]) == 6
    points = random_points(solid, 5000, generator=generator)
    assert np.array_equal(~uncovered(solid, found, points), inside(solid, points))


def test_no_plane_of_a_piece_can_be_left_out(generator):
    """Each keeps a face out: without it some point of the surface is inside the piece."""
    solid = SHAPES["frame"]
    piece = piece_at(solid, np.array([0.6, 0.1, 0.0]))
    for plane in piece:
        polygons = solid.corners
        for other in piece[piece != plane]:
            polygons, _ = clip(polygons, solid.halfspaces[other])
        assert len(polygons)


def test_extending_covers_the_points_given_and_counts_them():
    solid = SHAPES["l_prism"]
    pieces = []
    points = np.array([[-0.4, 0.4, 0.0], [0.4, -0.4, 0.0], [-0.4, -0.4, 0.1]])
    assert extend(solid, pieces, points) == 3
    assert extend(solid, pieces, points) == 0
    assert len(pieces) == 2


def test_a_point_on_the_surface_has_no_piece():
    with pytest.raises(RayfieldError, match="no convex piece"):
        piece_at(SHAPES["cube"], np.array([0.8, 0.1, 0.2]))


def test_the_same_seed_gives_the_same_pieces():
    found = [
        cover_randomly(SHAPES["frame"], generator=torch.Generator().manual_seed(3))
        for _ in range(2)
    ]
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))
