"""What photos show of a mesh, and how the rest is spanned."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rayfield.app.drawing.paths import look_at
from rayfield.app.drawing.surfaces import surface_mesh
from rayfield.core.types import Camera
from rayfield.geometry import hidden
from rayfield.geometry.hidden import seen, span_hidden
from rayfield.geometry.mesh import edge_uses
from rayfield.math import sdf

LOW = -0.4


def box(points: torch.Tensor) -> torch.Tensor:
    """A slab whose underside has waves."""
    waves = 0.04 * torch.sin(9 * points[:, 0]) * torch.cos(7 * points[:, 1])
    inside = (points[:, :2].abs() < 0.5).all(dim=-1)
    lifted = points.clone()
    lifted[:, 2] = points[:, 2] - torch.where(inside & (points[:, 2] < 0), waves, 0.0)
    return sdf.box(lifted, half=(0.6, 0.6, -LOW))


def photos(height: float, *, count: int = 12) -> list[Camera]:
    """Cameras in a ring about the axis."""
    turns = np.linspace(0, 2 * np.pi, count, endpoint=False)
    eyes = np.stack([2.5 * np.cos(turns), 2.5 * np.sin(turns), np.full(count, height)], axis=1)
    poses = [look_at(eye, np.zeros(3), np.array([0.0, 0.0, 1.0])) for eye in eyes]
    return [Camera(200, 200, 220.0, 220.0, 100.0, 100.0, pose) for pose in poses]


@pytest.fixture(scope="module")
def mesh():
    return surface_mesh(box, 64)


def test_photos_from_above_show_top_and_sides_and_not_the_underside(mesh):
    shown = seen(mesh, photos(1.2))
    up, down = mesh.normals[:, 2] > 0.9, mesh.normals[:, 2] < -0.5
    side = np.abs(mesh.normals[:, 2]) < 0.1
    assert shown[up].all()
    assert shown[side].mean() > 0.97
    assert not shown[down].any()


def test_photos_from_one_side_do_not_show_the_other(mesh):
    shown = seen(mesh, photos(0.3, count=1))
    assert shown[mesh.normals[:, 0] > 0.9].mean() > 0.97
    assert not shown[mesh.normals[:, 0] < -0.1].any()


def test_what_is_outside_the_picture_is_not_seen(mesh):
    near = [camera for camera in photos(1.2)]
    away = [Camera(c.width, c.height, c.fx, c.fy, -900.0, c.cy, c.pose) for c in near]
    assert not seen(mesh, away).any()


def test_an_underside_in_no_photo_is_spanned_flat_and_said(mesh):
    notes: list[str] = []
    flat = span_hidden(mesh, photos(1.2), notes)
    under = (mesh.normals[:, 2] < -0.5) & (np.abs(mesh.vertices[:, :2]) < 0.45).all(axis=1)
    assert np.ptp(mesh.vertices[under, 2]) > 0.05
    assert np.abs(flat.vertices[under, 2] - LOW).max() < 0.01
    seen_above = mesh.normals[:, 2] > 0.9
    assert np.array_equal(flat.vertices[seen_above], mesh.vertices[seen_above])
    assert (edge_uses(flat)[1] == 2).all()
    assert len(notes) == 1
    assert "in no photo" in notes[0]


def test_what_all_photos_together_show_stays(mesh):
    everywhere = [*photos(1.8), *photos(-1.8)]
    assert span_hidden(mesh, everywhere) is mesh


def test_more_than_is_worth_spanning_is_left_as_it_is(mesh, monkeypatch):
    monkeypatch.setattr(hidden, "MOST", 10)
    assert span_hidden(mesh, photos(1.2)) is mesh
