from __future__ import annotations

import numpy as np
import pytest
import torch

from rayfield.geometry.distance import signed_distance
from rayfield.geometry.guide import Guide, make_guide
from rayfield.geometry.meshio import read_mesh
from rayfield.geometry.pointio import read_points


def directions(count: int = 6000) -> np.ndarray:
    found = np.random.default_rng(0).normal(size=(count, 3))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def bare() -> Guide:
    return make_guide(0.5 + 0.35 * directions(), None)


def test_missing_normals_are_estimated_and_look_outwards(bare):
    assert not bare.given
    assert float((bare.normals * torch.from_numpy(directions()).float()).sum(1).min()) > 0.999


def test_sides_of_free_points_are_right_where_they_are_known(bare):
    radius = (bare.free - 0.5).norm(dim=1)
    known = bare.side != 0
    assert float(known.float().mean()) > 0.25
    assert torch.equal(bare.side[known], (radius - 0.35).sign()[known])


def test_distances_of_free_points_are_those_to_the_sphere(bare):
    exact = ((bare.free - 0.5).norm(dim=1) - 0.35).abs()
    far = exact > 0.1
    assert float((bare.distance - exact)[far].abs().max()) < 0.01


def test_given_normals_are_kept_and_tell_the_sides_of_open_clouds():
    normals = directions()
    normals = normals[normals[:, 2] > -0.3]
    guide = make_guide(0.5 + 0.35 * normals, normals)
    assert guide.given
    torch.testing.assert_close(guide.normals, torch.from_numpy(normals).float())
    radius = (guide.free - 0.5).norm(dim=1)
    near = (guide.distance < 0.05) & ((radius - 0.35).abs() > 0.005)
    near &= (guide.free[:, 2] > 0.5) & (guide.side != 0)
    assert torch.equal(guide.side[near], (radius - 0.35).sign()[near])


@pytest.mark.parametrize("given", [True, False])
def test_a_solid_that_is_open_on_one_side_ends_with_its_points(given):
    normals = directions()
    normals = normals[normals[:, 2] > 0]  # a dome without a floor
    guide = make_guide(0.5 + 0.35 * normals, normals if given else None)
    below = guide.free[:, 2] < 0.47
    assert (guide.side[below] == 1).all()
    under = below & ((guide.free[:, :2] - 0.5).norm(dim=1) < 0.2)
    floor = 0.48 - guide.free[under, 2]  # whose middle is far from all points
    torch.testing.assert_close(guide.distance[under], floor, atol=0.02, rtol=0)
    amid = (guide.free - torch.tensor([0.5, 0.5, 0.6])).norm(dim=1) < 0.1
    assert (guide.side[amid] == -1).all()


def test_sides_of_a_noisy_part_with_holes_are_right(data_dir):
    """A scan of 86,648 points without normals, beside the mesh that was scanned."""
    points = read_points(data_dir / "points" / "abc_00016513.xyz.npy").cloud.points
    truth = read_mesh(data_dir / "points" / "abc_00016513.ply")
    low, high = points.min(axis=0), points.max(axis=0)
    scale = 0.8 / (high - low).max()
    guide = make_guide(scale * (points - 0.5 * (low + high)) + 0.5, None)
    free = (guide.free.numpy() - 0.5) / scale + 0.5 * (low + high)
    exact = signed_distance(truth, free[::4])
    side = guide.side.numpy()[::4]
    clear = (np.abs(exact) > 0.02) & (side != 0)
    assert clear.mean() > 0.5
    assert (side == np.sign(exact))[clear].mean() > 0.97
