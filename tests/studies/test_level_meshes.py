"""Meshes of levels, and their measures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from rayfield.data.demo import demo_photos
from rayfield.geometry.mesh import select_faces, transform
from rayfield.geometry.meshio import read_mesh
from rayfield.studies import level_meshes
from rayfield.studies.level_meshes import Judge, finished, level_set
from rayfield.studies.views import held_out_photos, load


def blob(x):
    return 1000 * torch.exp(-8 * x.square().sum(1))


def test_the_true_mesh_is_as_good_as_can_be(monkeypatch):
    monkeypatch.setattr(level_meshes, "CRUMB", 0.0)  # small things of the still life are its own
    scene = load(None, downscale=2)
    exact = transform(read_mesh(demo_photos() / "mesh.ply"), np.linalg.inv(scene.world_from_scene))
    frames = list(held_out_photos(scene))[:3]
    photos = [frame.camera for frame in scene.split("train")]
    found = Judge(exact, frames, 5000, photos=photos)(exact)
    assert found["silhouette_iou"] > 0.98  # photos of 100 pixels
    assert found["chamfer_l1_onet"] < 0.01  # as far as 5,000 samples are from each other
    assert found["p2s_accuracy"] < 1e-6
    assert found["chamfer_shown"] < 1e-6


def test_what_no_photo_shows_need_not_be_there():
    """A ball without its lower half, and photos from above."""
    ball = level_set(lambda x: x.norm(dim=1) - 0.5, 0.0, inside="below", resolution=48)
    scene = load(None, downscale=2)
    photos = [frame.camera for frame in scene.split("train")]
    photos = [c for c in photos if c.pose[2, 3] > 0.6 * np.linalg.norm(c.pose[:3, 3])]
    upper = ball.vertices[ball.faces][:, :, 2].min(axis=1) > -0.35
    half = select_faces(ball, upper)
    frames = list(held_out_photos(scene))[:1]
    found = Judge(ball, frames, 5000, photos=photos)(half)
    assert found["chamfer_shown"] < 0.001
    assert found["chamfer_l1_onet"] > 0.01
    below = [replace(c, pose=np.diag([1.0, -1.0, -1.0, 1.0]) @ c.pose) for c in photos]
    assert Judge(ball, frames, 5000, photos=below)(half)["chamfer_shown"] > 0.005


def test_a_finished_mesh_has_no_crumbs_and_is_flat_where_no_photo_looks():
    """Two balls, and photos from above."""
    centres = torch.tensor([[0.0, 0.0, 0.0], [0.8, 0.8, 0.8]])
    radii = torch.tensor([0.5, 0.05])

    def balls(x):
        return ((x[:, None] - centres).norm(dim=2) - radii).min(dim=1).values

    mesh = level_set(balls, 0.0, inside="below", resolution=48)
    cameras = [frame.camera for frame in load(None, downscale=2).split("train")]
    photos = [c for c in cameras if c.pose[2, 3] > 0.6 * np.linalg.norm(c.pose[:3, 3])]
    left = finished(mesh, photos)
    assert left.vertices.max() < 0.51
    assert mesh.vertices[:, 2].min() < -0.49
    assert left.vertices[:, 2].min() > -0.45  # the film is nearer to the middle than the ball is
    np.testing.assert_allclose(left.vertices[:, 2].max(), 0.5, atol=0.01)


def test_levels_of_a_ball_move_with_the_threshold_of_a_density():
    """exp(-r^2 / 2 v^2) A reaches s at v sqrt(2 ln(A/s)); a distance has one zero set."""
    cases = (
        (blob, 10.0, "above", 0.25 * np.sqrt(2 * np.log(100))),
        (blob, 500.0, "above", 0.25 * np.sqrt(2 * np.log(2))),
        (lambda x: x.norm(dim=1) - 0.5, 0.0, "below", 0.5),
    )
    for value, level, inside, radius in cases:
        mesh = level_set(value, level, inside=inside, resolution=48)
        assert mesh is not None
        distance = np.linalg.norm(mesh.vertices, axis=1)
        np.testing.assert_allclose(distance, radius, atol=0.01)
        outwards = np.einsum("vk,vk->v", mesh.normals, mesh.vertices) / distance
        assert (outwards > 0.9).all()
    assert level_set(blob, 2000.0, inside="above", resolution=48) is None
