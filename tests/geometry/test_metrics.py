"""Measures between surfaces: identities, closed forms, brute force, and the score of nothing."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
import trimesh

from rayfield.core.check import RayfieldError
from rayfield.core.types import Mesh, PointCloud
from rayfield.geometry import metrics as m

EMPTY = Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int32))


def sphere(radius: float = 1.0, detail: int = 4) -> Mesh:
    ball = trimesh.creation.icosphere(subdivisions=detail, radius=radius)
    return Mesh(np.asarray(ball.vertices), ball.faces.astype(np.int32))


def cloud(n: int, seed: int) -> PointCloud:
    rng = np.random.default_rng(seed)
    normals = rng.normal(size=(n, 3))
    return PointCloud(
        rng.normal(size=(n, 3)), normals / np.linalg.norm(normals, axis=1, keepdims=True)
    )


def grid(spacing: float = 0.5) -> np.ndarray:
    line = np.arange(6) * spacing
    return np.stack(np.meshgrid(line, line, line), axis=-1).reshape(-1, 3)


def test_measures_agree_with_brute_force():
    ours, theirs = cloud(60, 0), cloud(80, 1)
    far = np.linalg.norm(ours.points[:, None] - theirs.points[None], axis=-1)
    cosine = np.abs(ours.normals @ theirs.normals.T)
    found = m.match(ours, theirs)
    there, back = far.min(axis=1), far.min(axis=0)
    assert m.chamfer_l1_onet(found) == pytest.approx((there.mean() + back.mean()) / 2)
    assert m.chamfer_l2(found) == pytest.approx((there**2).mean() + (back**2).mean())
    assert m.hausdorff(found) == pytest.approx(max(there.max(), back.max()))
    p, r = (there < 0.5).mean(), (back < 0.5).mean()
    assert m.fscore(found, 0.5) == pytest.approx(2 * p * r / (p + r))
    turned = cosine[range(60), far.argmin(axis=1)].mean(), cosine[far.argmin(axis=0), range(80)]
    assert m.normal_consistency(found) == pytest.approx((turned[0] + turned[1].mean()) / 2)


def test_points_are_at_no_distance_from_themselves():
    same = m.match(cloud(50, 0), cloud(50, 0))
    assert m.chamfer_l1_onet(same) == m.chamfer_l2(same) == m.hausdorff(same) == 0
    assert m.normal_consistency(same) == pytest.approx(1)
    assert m.fscore(same, 1e-9) == 1


@pytest.mark.parametrize("shift", [0.01, 0.2])
def test_a_grid_shifted_by_less_than_half_its_spacing_is_that_far_from_itself(shift):
    points = grid()
    found = m.match(PointCloud(points), PointCloud(points + np.array([0, shift, 0])))
    assert m.chamfer_l1_onet(found) == pytest.approx(shift)
    assert m.chamfer_l2(found) == pytest.approx(2 * shift**2)
    assert m.hausdorff(found) == pytest.approx(shift)


def test_flipped_normals_are_consistent():
    points = cloud(50, 0)
    flipped = PointCloud(points.points, -points.normals)
    assert m.normal_consistency(m.match(points, flipped)) == pytest.approx(1)


def test_chamfer_gradient_of_a_point_with_a_unique_neighbour_is_twice_their_difference():
    """Of the sum of squares to the other set, by central differences."""
    ours, theirs = cloud(20, 2).points, PointCloud(cloud(30, 3).points)
    neighbour = m.nearest(ours, theirs.points).neighbour

    def total(points):
        return float((m.match(PointCloud(points), theirs).accuracy ** 2).sum())

    for row, axis in ((0, 0), (7, 1), (19, 2)):
        step = np.zeros_like(ours)
        step[row, axis] = 1e-5
        slope = (total(ours + step) - total(ours - step)) / 2e-5
        wanted = 2 * (ours[row, axis] - theirs.points[neighbour[row], axis])
        assert slope == pytest.approx(wanted, rel=1e-5)


def test_measures_do_not_depend_on_the_order_of_points():
    ours, theirs = cloud(40, 4), cloud(40, 5)
    order = np.random.default_rng(0).permutation(40)
    shuffled = PointCloud(ours.points[order], ours.normals[order])
    once, again = m.match(ours, theirs), m.match(shuffled, theirs)
    for measure in (m.chamfer_l1_onet, m.chamfer_l2, m.hausdorff, m.normal_consistency):
        assert measure(once) == pytest.approx(measure(again))


def test_iou_identities():
    a, b = np.random.default_rng(0).random((2, 500)) > 0.4
    assert m.iou(a, a) == 1
    assert m.iou(a, ~a) == 0
    assert m.iou(a, b) == m.iou(b, a) == (a & b).sum() / (a | b).sum()
    assert m.iou(a & ~a, b & ~b) == 1


def test_concentric_spheres_have_their_closed_forms(generator):
    found = m.compare(sphere(1.1, 5), sphere(1.0, 5), 40_000, generator=generator)
    assert found["p2s_accuracy"] == pytest.approx(0.1, rel=0.01)
    assert found["p2s_completeness"] == pytest.approx(0.1, rel=0.01)
    assert found["accuracy"] == pytest.approx(0.1, rel=0.05)
    half_sum = 0.5 * (found["accuracy"] + found["completeness"])
    assert found["chamfer_l1_onet"] == pytest.approx(half_sum)
    assert found["chamfer_l2"] == pytest.approx(0.02, rel=0.1)
    assert found["normal_consistency"] > 0.99
    assert found["iou"] == pytest.approx(1.1**-3, abs=0.01)
    assert found["fscore@1%"] == 0  # 1 % of the diagonal is 0.035
    json.dumps(found)


def test_the_threshold_of_the_f_score_is_a_share_of_the_diagonal(generator):
    radius = 1 + 0.02 * 2 * math.sqrt(3)  # off by 2 % of the diagonal
    for fraction, low, high in ((0.018, 0, 0), (0.03, 0.99, 1)):
        found = m.compare(sphere(radius), sphere(), 20_000, generator=generator, fraction=fraction)
        assert low <= found[f"fscore@{100 * fraction:g}%"] <= high


def test_a_mesh_compared_with_itself_has_only_the_error_of_sampling():
    found = m.compare(sphere(), sphere(), 5_000, generator=None)
    assert found["p2s_accuracy"] < 1e-12
    assert found["p2s_completeness"] < 1e-12
    assert found["iou"] == 1
    assert 0.005 < found["chamfer_l1_onet"] < 0.05  # the two sets of samples differ
    assert found == m.compare(sphere(), sphere(), 5_000, generator=None)


def test_measures_keep_their_digits_far_from_the_origin(generator):
    near, far = (
        m.compare(
            Mesh(sphere(1.1).vertices + shift, sphere().faces),
            Mesh(sphere().vertices + shift, sphere().faces),
            3_000,
            generator=torch.Generator().manual_seed(0),
        )
        for shift in (0.0, 1e6)
    )
    for name, value in near.items():
        assert far[name] == pytest.approx(value, rel=1e-6), name


def test_the_share_of_points_in_the_padded_cube_is_the_volume():
    """A box that fills the unit cube fills 1 / 1.1^3 = 0.7513 of the padded one."""
    corners = np.array([[0.0, 0, 0], [1, 1, 1]])
    points = m._points_in_cube(*corners, 100_000, generator=torch.Generator().manual_seed(0))
    share = ((points > 0) & (points < 1)).all(axis=1).mean()
    assert share == pytest.approx(0.7513, abs=0.005)
    assert np.abs(points - 0.5).max() <= 0.55


def test_nothing_scores_as_the_occupancy_networks_score_it():
    cube = trimesh.creation.box(extents=(1, 1, 1))
    unit = Mesh(np.asarray(cube.vertices), cube.faces.astype(np.int32))
    found = m.compare(EMPTY, unit, 100, generator=None)
    full = m.compare(unit, unit, 100, generator=None)
    assert set(found) == set(full)
    assert found["chamfer_l1_onet"] == found["hausdorff"] == pytest.approx(math.sqrt(3))
    assert found["chamfer_l2"] == pytest.approx(6)
    assert found["normal_consistency"] == -1
    assert found["iou"] == found["fscore@1%"] == 0


def test_a_reference_without_area_is_refused():
    with pytest.raises(RayfieldError, match="no area to compare with"):
        m.compare(sphere(), EMPTY, 100, generator=None)


def test_points_without_normals_have_no_consistency():
    bare = m.match(PointCloud(grid()), cloud(5, 0))
    with pytest.raises(RayfieldError, match="needs the normals"):
        m.normal_consistency(bare)


def test_the_distance_to_a_surface_is_to_its_triangles_not_to_its_vertices():
    corners = np.array([[-9.0, -9, 0], [9, -9, 0], [0, 9, 0]])
    plane = Mesh(corners, np.array([[0, 1, 2]], np.int32))
    assert m.point_to_surface(np.array([[0.0, 0, 0.5], [0, 0, -0.1]]), plane) == pytest.approx(0.3)
