"""Meshes and points that a method keeps, cut by a box of the world."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from rayfield.app.meshes.kept import colors_of, cropped, cropped_points
from rayfield.app.meshes.meshing import Crop
from rayfield.core.check import RayfieldError
from rayfield.core.types import Mesh, PointCloud
from rayfield.geometry.icosphere import icosphere
from rayfield.geometry.mesh import report, transform

WORLD = np.eye(4)
WORLD[:3, :3] = 10 * Rotation.from_rotvec([0.3, 0.5, -0.2]).as_matrix()
WORLD[:3, 3] = [1e6, 0, 5]


def test_a_cut_ball_is_closed_and_flat_where_it_is_cut():
    pytest.importorskip("manifold3d", reason="cutting kept meshes needs the extra [mesh]")
    crop = Crop((-1e9, -1e9, 5.0), (1e9, 1e9, 1e9))  # the upper half
    found = transform(cropped(icosphere(4), crop, WORLD), WORLD)
    told = report(found)
    assert told["boundary_edges"] == told["nonmanifold_edges"] == 0
    assert told["volume"] == pytest.approx(2 / 3 * np.pi * 1000, rel=0.01)
    assert told["box_min"][2] == pytest.approx(5.0, abs=1e-6)


def test_a_crop_beside_the_mesh_says_so():
    pytest.importorskip("manifold3d", reason="cutting kept meshes needs the extra [mesh]")
    with pytest.raises(RayfieldError, match="leaves nothing of the mesh"):
        cropped(icosphere(1), Crop((0, 0, 0), (1, 1, 1)), WORLD)
    ball = icosphere(1)
    with pytest.raises(RayfieldError, match=r"not enclose a solid \(3 open edges\)"):
        cropped(Mesh(ball.vertices, ball.faces[1:]), Crop((-1, -1, -1), (1, 1, 1)), np.eye(4))


def test_without_the_extra_the_line_to_install_it_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "manifold3d", None)
    with pytest.raises(RayfieldError, match=r"pip install 'rayfield\[mesh\]'"):
        cropped(icosphere(1), Crop((-1, -1, -1), (1, 1, 1)), np.eye(4))


def test_points_in_the_box_keep_their_colours():
    points = np.random.default_rng(0).uniform(-1, 1, (200, 3))
    colors = np.arange(600, dtype=np.int64).reshape(200, 3).astype(np.uint8)
    cloud, kept = cropped_points(PointCloud(points, points), colors, Crop((0, -1, -1), (1, 1, 1)))
    inside = points[:, 0] >= 0
    np.testing.assert_array_equal(cloud.points, points[inside])
    np.testing.assert_array_equal(cloud.normals, points[inside])
    np.testing.assert_array_equal(kept, colors[inside])
    with pytest.raises(RayfieldError, match="leaves no points"):
        cropped_points(PointCloud(points), colors, Crop((5, 5, 5), (6, 6, 6)))


def test_colours_go_from_a_mesh_to_what_is_made_of_it():
    ball = icosphere(4)
    colors = (127.5 + 127.5 * ball.vertices).round().astype(np.uint8)
    color = colors_of(Mesh(ball.vertices, ball.faces, colors=colors))
    np.testing.assert_array_equal(color(ball.vertices, ball.vertices), colors)
    middles = ball.vertices[ball.faces].mean(axis=1)
    wanted = 127.5 + 127.5 * middles
    assert np.abs(color(middles, middles) - wanted).max() < 1.5
    assert colors_of(ball) is None
