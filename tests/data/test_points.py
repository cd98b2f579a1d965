"""Points moved into the scene's cube, what is mended in them, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rayfield.core.check import DataError
from rayfield.core.types import Mesh
from rayfield.data.points import HALF_SIDE, MOST_POINTS, PointSampler, read_points, spreads
from rayfield.geometry.meshio import write_mesh


def ball(n: int, *, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, 3))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def saved(path, *columns) -> object:
    np.save(path, np.concatenate(columns, axis=1))
    return path


@pytest.mark.parametrize(("offset", "scale"), [(0.0, 1.0), (1e6, 1.0), (0.0, 1e-6), (-5e5, 1e3)])
def test_points_fill_the_cube_and_lead_back_to_the_file(tmp_path, offset, scale):
    points = ball(400) * [3.0, 1.0, 2.0] * scale + offset
    cloud = read_points(saved(tmp_path / "p.npy", points))
    low, high = cloud.points.min(axis=0), cloud.points.max(axis=0)
    np.testing.assert_allclose(low + high, 0, atol=1e-9)
    assert np.ptp(cloud.points, axis=0).max() == pytest.approx(2 * HALF_SIDE)
    back = cloud.points @ cloud.world_from_scene[:3, :3].T + cloud.world_from_scene[:3, 3]
    np.testing.assert_allclose(back, points, rtol=0, atol=1e-9 * scale + 1e-15 * abs(offset))


@pytest.mark.parametrize("factor", [1.0, 2.5])
def test_normals_become_unit_and_outward(tmp_path, factor):
    points = ball(300)
    cloud = read_points(saved(tmp_path / "p.npy", points + 7, -factor * points))
    np.testing.assert_allclose(cloud.normals, points, atol=1e-12)
    notes = " ".join(cloud.notes)
    assert "look inwards" in notes
    assert ("made unit" in notes) == (factor != 1)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_normals_that_look_both_ways_are_turned_outwards(tmp_path, share):
    normals = ball(4000)
    turned = np.random.default_rng(0).random(len(normals)) < share
    np.save(tmp_path / "p.npy", np.hstack([normals, np.where(turned[:, None], -1, 1) * normals]))
    cloud = read_points(tmp_path / "p.npy")
    np.testing.assert_allclose(cloud.normals, normals, atol=1e-12)
    assert cloud.notes == (f"{turned.sum()} of the normals look inwards: they are turned round",)


def test_a_few_normals_that_look_wrong_are_left_as_they_are(tmp_path):
    normals = ball(4000)
    normals[:40] *= -1
    np.save(tmp_path / "p.npy", np.hstack([ball(4000), normals]))
    assert read_points(tmp_path / "p.npy").notes == ()


def test_a_normal_of_zero_is_taken_from_the_nearest_point(tmp_path):
    points = np.concatenate([ball(200), [[1.0, 0, 0], [1.0, 1e-6, 0]]])
    normals = points.copy()
    normals[-1] = 0
    cloud = read_points(saved(tmp_path / "p.npy", points, normals))
    np.testing.assert_allclose(cloud.normals[-1], cloud.normals[-2])
    assert "1 missing normals" in cloud.notes[0]


def test_normals_that_are_all_zero_are_none(tmp_path):
    cloud = read_points(saved(tmp_path / "p.npy", ball(50), np.zeros((50, 3))))
    assert cloud.normals is None
    assert not cloud.traits.has_normals


def test_repeated_points_count_once(tmp_path):
    points = np.tile(ball(40), (3, 1))
    cloud = read_points(saved(tmp_path / "p.npy", points))
    assert cloud.traits.count == 40
    assert "80 repeated points" in cloud.notes[0]


def test_more_points_than_can_be_used_are_thinned(tmp_path):
    cloud = read_points(saved(tmp_path / "p.npy", ball(MOST_POINTS + 5).astype(np.float32)))
    assert cloud.traits.count == MOST_POINTS


def flat() -> np.ndarray:
    points = np.random.default_rng(0).normal(size=(50, 3))
    return points @ np.array([[1.0, 2, 3], [0, 1, -1], [1, 3, 2]])  # of rank two


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (ball(9), "9 different points"),
        (np.zeros((0, 3)), "no points"),
        (np.ones((50, 3)), "1 different points"),
        (np.linspace(0, 1, 50)[:, None] * [1.0, 2, 3], "on a line"),
        (flat(), "in a plane"),
        (
            np.where(np.arange(150).reshape(50, 3) == 31, np.nan, 1.0),
            "1 points that are not finite",
        ),
        (np.where(np.arange(150).reshape(50, 3) == 0, -np.inf, 1.0), "not finite"),
        (ball(50) * 1e200, "not finite"),
    ],
)
def test_points_without_a_volume_are_refused_in_one_line(tmp_path, points, words):
    path = saved(tmp_path / "p.npy", points)
    with pytest.raises(DataError, match=words) as caught:
        read_points(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_points_in_thin_air_are_left_out_of_the_box(tmp_path):
    far = np.random.default_rng(0).uniform(-9, 9, (20, 3))
    cloud = read_points(saved(tmp_path / "p.npy", np.vstack([ball(3000), far])))
    assert len(cloud.points) == 3000
    assert cloud.world_from_scene[0, 0] * HALF_SIDE == pytest.approx(1, rel=0.01)
    assert cloud.notes == ("20 points that lie by themselves, off the surface, are left out",)


def test_a_mesh_is_sampled_with_its_normals(tmp_path):
    corners = np.array([[i >> a & 1 for a in range(3)] for i in range(8)], float) + 5
    quads = [(0, 4, 6, 2), (1, 3, 7, 5), (0, 1, 5, 4), (2, 6, 7, 3), (0, 2, 3, 1), (4, 5, 7, 6)]
    faces = [f for a, b, c, d in quads for f in ((a, b, c), (a, c, d))]
    write_mesh(tmp_path / "cube.ply", Mesh(corners, np.array(faces, np.int32)))
    cloud = read_points(tmp_path / "cube.ply")
    np.testing.assert_allclose(np.abs(cloud.points).max(axis=1), HALF_SIDE, atol=1e-3)
    reached = (cloud.points * cloud.normals).sum(axis=1)
    np.testing.assert_allclose(reached, HALF_SIDE, atol=1e-3)
    assert cloud.mesh is not None
    np.testing.assert_allclose(np.abs(cloud.mesh.vertices), HALF_SIDE, atol=1e-3)


def test_the_spread_is_the_distance_to_the_fiftieth_neighbour(tmp_path):
    cloud = read_points(saved(tmp_path / "p.npy", ball(300)))
    distances = np.linalg.norm(cloud.points[:, None] - cloud.points[None], axis=-1)
    np.testing.assert_allclose(spreads(cloud), np.sort(distances, axis=1)[:, 50], atol=1e-12)


def test_few_points_have_the_spread_of_their_last_neighbour(tmp_path):
    cloud = read_points(saved(tmp_path / "p.npy", ball(12)))
    distances = np.linalg.norm(cloud.points[:, None] - cloud.points[None], axis=-1)
    np.testing.assert_allclose(spreads(cloud), distances.max(axis=1), atol=1e-12)


def test_a_batch_holds_points_of_the_cloud_and_distances_to_it(tmp_path, generator):
    points = ball(200)
    cloud = read_points(saved(tmp_path / "p.npy", points, points))
    batch = PointSampler(cloud).sample(64, generator=generator)
    assert batch.oriented
    torch.testing.assert_close(batch.points / HALF_SIDE, batch.normals, rtol=0, atol=0.05)
    assert batch.distance(batch.points).max() < 1e-6
    away = torch.randn(100, 3, generator=generator)
    exact = torch.cdist(away, torch.from_numpy(cloud.points).float()).amin(dim=1)
    torch.testing.assert_close(batch.distance(away), exact)
    again = PointSampler(cloud).sample(64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(batch.points, again.points)


def test_normals_are_zero_where_the_file_has_none(tmp_path, generator):
    batch = PointSampler(read_points(saved(tmp_path / "p.npy", ball(60)))).sample(
        8, generator=generator
    )
    assert not batch.oriented
    assert not batch.normals.any()


@pytest.mark.parametrize("name", ["elephant.pwn", "hand.pwn", "abc_00016513.xyz.npy"])
def test_real_scans_are_read_as_they_are(data_dir, name):
    cloud = read_points(data_dir / "points" / name)
    assert cloud.traits.has_normals == name.endswith(".pwn")
    assert cloud.traits.count > 5000
    assert not [note for note in cloud.notes if "inwards" in note]
