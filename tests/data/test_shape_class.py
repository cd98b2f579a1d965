"""One shape or a class: what is read, the frame, what is held out, batches and observations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from rayfield.core.check import DataError
from rayfield.core.types import Mesh
from rayfield.data import shape_batches
from rayfield.data.partial import OFF, samples_of
from rayfield.data.shape_batches import ShapesSampler, Wanted, noisy, observe, uniform_points
from rayfield.data.shape_class import load_shapes
from rayfield.data.solids import HALF, PADDED, GridSolid, MeshSolid, fitted, walled, world_of_grid
from rayfield.geometry.meshio import write_mesh
from rayfield.geometry.voxels import centres


def box(sides=(1.0, 1.0, 1.0), *, at=(0.0, 0.0, 0.0)) -> Mesh:
    made = trimesh.creation.box(sides)
    return Mesh(np.asarray(made.vertices) + at, np.asarray(made.faces, np.int32))


def balls(count: int, *, side: int = 16) -> torch.Tensor:
    """Grids of balls of growing radius."""
    distance = centres(side, half=HALF).norm(dim=1).view((side,) * 3)
    return torch.stack([distance < 0.3 + 0.4 * k / count for k in range(count)])


@pytest.fixture
def grids(tmp_path) -> Path:
    np.savez(tmp_path / "balls.npz", balls(10).numpy())
    return tmp_path / "balls.npz"


@pytest.fixture(autouse=True)
def small_pools(monkeypatch):
    monkeypatch.setattr(shape_batches, "MOST_POOL", 1 << 12)


def test_every_eighth_shape_is_held_out(grids):
    shapes = load_shapes(grids)
    assert shapes.test == (7,)
    assert shapes.train == (0, 1, 2, 3, 4, 5, 6, 8, 9)
    assert shapes.traits.shapes == 9
    assert load_shapes(grids).fingerprint == shapes.fingerprint


@pytest.mark.parametrize(("count", "test"), [(1, ()), (3, (2,)), (7, (6,)), (16, (7, 15))])
def test_of_a_few_the_last_is_held_out(tmp_path, count, test):
    np.save(tmp_path / "a.npy", balls(count).numpy())
    assert load_shapes(tmp_path / "a.npy").test == test


def test_packed_bits_are_the_same_grids(tmp_path, grids):
    cells = balls(10).numpy()
    bits = np.packbits(cells.reshape(10, -1), axis=1)
    np.savez(tmp_path / "packed.npz", bits=bits, shape=np.array([16, 16, 16]))
    assert load_shapes(tmp_path / "packed.npz").fingerprint == load_shapes(grids).fingerprint


def test_a_folder_of_meshes_is_a_class_each_in_its_frame(tmp_path):
    for name, sides in (("b10", (2, 1, 1)), ("b9", (1, 4, 1)), ("b1", (1, 1, 1))):
        write_mesh(tmp_path / f"{name}.ply", box(sides, at=(7, 0, -3)))
    (tmp_path / "notes.txt").write_text("no mesh")
    shapes = load_shapes(tmp_path)
    assert shapes.names == ("b1.ply", "b9.ply", "b10.ply")
    assert shapes.test == (2,)
    for solid, world in zip(shapes.solids, shapes.worlds, strict=True):
        low, high = solid.mesh.vertices.min(axis=0), solid.mesh.vertices.max(axis=0)
        np.testing.assert_allclose(low + high, 0, atol=1e-6)
        assert (high - low).max() == pytest.approx(1.6, rel=1e-5)
        np.testing.assert_allclose(world[:3, 3], [7, 0, -3], atol=1e-5)


def test_one_mesh_is_one_shape_and_nothing_is_held_out(tmp_path):
    write_mesh(tmp_path / "a.off", box())
    shapes = load_shapes(tmp_path / "a.off")
    assert (shapes.train, shapes.test) == ((0,), ())


def test_what_was_done_to_a_single_mesh_is_told(tmp_path):
    mesh = box()
    write_mesh(tmp_path / "box.ply", Mesh(np.vstack([mesh.vertices, [[7, 7, 7]]]), mesh.faces))
    shapes = load_shapes(tmp_path / "box.ply")
    assert shapes.notes == ("1 vertices that no face uses are left out",)
    np.testing.assert_allclose(np.ptp(shapes.solids[0].mesh.vertices, axis=0), 2 * HALF)


def test_a_mesh_and_its_cells_agree_inside_and_in_distance(generator):
    mesh, _ = fitted(box((2.0, 1.0, 1.0)))
    cells = GridSolid(mesh.grid(32))
    points = uniform_points(3000, generator=generator)
    assert float((mesh.inside(points) == cells.inside(points)).float().mean()) > 0.97
    assert float((mesh.distance(points) - cells.distance(points)).abs().max()) < 0.08
    assert torch.equal(mesh.distance(points) < 0, mesh.inside(points))


def test_the_expected_share_inside_the_padded_cube_is_that_of_the_volumes(generator):
    """A box that fills the unit cube: 1 / 1.1^3."""
    solid, _ = fitted(box())
    inside = solid.inside(uniform_points(200_000, generator=generator))
    assert float(inside.float().mean()) == pytest.approx(0.7513, abs=0.004)


def test_the_world_of_a_grid_is_its_indices():
    world = world_of_grid(32)
    np.testing.assert_allclose(world @ [-HALF, HALF, 0, 1], [0, 32, 16, 1])


def test_beyond_the_padded_cube_all_is_outside():
    value = walled(lambda points: torch.full((len(points),), -1.0), slope=2.0)
    found = value(torch.tensor([[0.0, 0, 0], [PADDED + 0.1, 0, 0], [0, -1.0, 0]]))
    assert found.tolist() == pytest.approx([-1, 0.2, 2 * (1 - PADDED)], abs=1e-5)


def test_batches_hold_what_is_true_of_their_points(grids, generator):
    shapes = load_shapes(grids)
    for truth in ("occupancy", "distance"):
        sampler = ShapesSampler(shapes, Wanted(truth, "none", shapes=4, near=0.25))
        batch = sampler.sample(800, generator=generator)
        assert batch.points.shape == (4, 200, 3)
        assert len(set(batch.shape.tolist())) == 4
        for points, values, number in zip(*batch[:3], strict=True):
            solid = shapes.solids[shapes.train[int(number)]]
            known = solid.inside(points).float() if truth == "occupancy" else solid.distance(points)
            assert torch.equal(values, known)
            near = solid.distance(points).abs() < 0.15
            assert near[:50].all()
            assert not near[50:].all()


def test_the_same_seed_draws_the_same_batch(grids):
    sampler = ShapesSampler(load_shapes(grids), Wanted(observation="points", shapes=3))
    first, second, other = (
        sampler.sample(90, generator=torch.Generator().manual_seed(s)) for s in (0, 0, 1)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first.points, other.points)


def half_ball() -> torch.Tensor:
    """The part of a ball where x is positive."""
    grid = balls(1)[0]
    grid[:8] = False
    return grid


@pytest.mark.parametrize("observation", ["points", "voxels"])
def test_a_mirrored_shape_is_mirrored_in_points_and_observation(tmp_path, observation, generator):
    np.savez(tmp_path / "half.npz", torch.stack([half_ball()] * 3).numpy())
    shapes = load_shapes(tmp_path / "half.npz")
    sampler = ShapesSampler(shapes, Wanted("occupancy", observation, 1, 0.5, mirror="x"))
    sides = set()
    for _ in range(12):
        batch = sampler.sample(400, generator=generator)
        inside = batch.points[0][batch.values[0] > 0.5][:, 0]
        side = int(inside.mean() > 0)
        assert (inside * (2 * side - 1) > 0).all()
        if observation == "points":
            assert (batch.seen[0, :, 0].mean() > 0) == bool(side)
        else:
            assert bool(batch.seen[0, 16:].any()) == bool(side)
        sides.add(side)
    assert sides == {0, 1}


def test_stretching_keeps_what_is_inside_and_the_longest_side(generator, tmp_path):
    full = torch.ones(3, 8, 8, 8, dtype=torch.bool)
    full[:, 0, 0, 0] = False
    np.savez(tmp_path / "cube.npz", full.numpy())
    wanted = Wanted("occupancy", "points", 1, 0.0, stretch=0.5)
    sampler = ShapesSampler(load_shapes(tmp_path / "cube.npz"), wanted)
    batch = sampler.sample(4000, generator=generator)
    inside = batch.points[0][batch.values[0] > 0.5]
    reach = inside.abs().amax(dim=0)
    assert float(reach.max()) == pytest.approx(HALF, abs=0.02)
    assert float(reach.min()) < 0.98 * HALF
    seen = batch.seen[0].abs().amax(dim=0)
    torch.testing.assert_close(seen, reach, rtol=0, atol=0.05)


def test_observations_are_300_noisy_points_cells_pictures_or_distances(generator):
    solid = GridSolid(balls(1)[0])
    points = observe(solid, "points", resolution=8, generator=generator)
    assert points.shape == (300, 3)
    assert float(solid.distance(points).abs().max()) < 0.15
    many = noisy(torch.zeros(1, 10, 3), generator=generator)
    assert float(many.std()) == pytest.approx(0.005 * 1.6, rel=0.1)
    assert torch.equal(observe(solid, "voxels", resolution=8, generator=generator), solid.grid(8))
    shown = observe(solid, "image", resolution=8, generator=generator)
    assert shown.shape == (64, 64)
    assert float(shown[0, 0]) == 1
    assert float(shown[32, 32]) < 0.95
    samples = observe(solid, "distances", resolution=8, generator=generator)
    torch.testing.assert_close(solid.distance(samples[:, :3]), samples[:, 3])


def test_a_picture_of_a_ball_has_the_area_of_its_disc():
    value = shape_batches.values_on_grid(lambda p: p.norm(dim=1) - 0.5, 48)
    shown = shape_batches.picture(value, size=128)
    share = float((shown < 1).float().mean())
    assert share == pytest.approx(np.pi * 0.25 / 2.2**2, rel=0.03)


def test_samples_of_points_of_a_ball_have_its_distances(generator):
    normals = torch.nn.functional.normalize(torch.randn(4000, 3, generator=generator))
    found = samples_of(0.5 * normals, normals, generator=generator)
    error = found[:, :3].norm(dim=1) - 0.5 - found[:, 3]
    assert float(error.abs().max()) < 0.01
    assert float(found[:, 3].min()) == pytest.approx(-OFF)


def test_meshes_that_have_no_inside_are_refused(tmp_path):
    flat = Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]], np.int32))
    write_mesh(tmp_path / "flat.off", flat)
    with pytest.raises(DataError, match=r"no (faces with an area|triangle with three corners)"):
        load_shapes(tmp_path / "flat.off")


def test_meshes_are_wound_around_even_if_open(tmp_path):
    mesh = box()
    write_mesh(tmp_path / "open.ply", Mesh(mesh.vertices, mesh.faces[:11]))
    shapes = load_shapes(tmp_path / "open.ply")
    assert "open meshes" in shapes.notes[0]
    assert isinstance(shapes.solids[0], MeshSolid)
    assert shapes.solids[0].inside(torch.zeros(1, 3)).item()
