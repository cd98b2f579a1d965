"""Pictures of solids stand upright, whichever way is up in their files."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rayfield.app.drawing import shape_figures
from rayfield.app.drawing.shape_figures import drawn, observation
from rayfield.data.shape_class import load_shapes
from rayfield.geometry.icosphere import icosphere
from rayfield.geometry.meshio import write_mesh

MIDDLE = {"y": torch.tensor([0.1, 0.5, 0.2]), "z": torch.tensor([0.1, -0.2, 0.5])}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(shape_figures, "SIZE", 64)
    monkeypatch.setattr(shape_figures, "DETAIL", 32)


def centre(picture: np.ndarray) -> np.ndarray:
    """Where what is drawn lies, from -1 to 1: down and across."""
    return 2 * np.argwhere(picture < 250).mean(axis=0) / (len(picture) - 1) - 1


@pytest.mark.parametrize("up", ["y", "z"])
def test_a_ball_above_the_middle_is_drawn_there_and_its_points_as_well(up, generator):
    middle = MIDDLE[up]
    down, across = centre(drawn(lambda points: (points - middle).norm(dim=1) - 0.2, up))
    assert down < -0.3
    points = middle + 0.1 * torch.randn(500, 3, generator=generator)
    seen = centre(observation(points, "points", up))
    np.testing.assert_allclose(seen, [down, across], atol=0.1)


def test_both_frames_give_the_same_picture():
    pictures = [
        drawn(lambda points, m=m: (points - m).norm(dim=1) - 0.3, up) for up, m in MIDDLE.items()
    ]
    np.testing.assert_array_equal(*pictures)


def test_files_tell_which_way_is_up(tmp_path):
    for name in ("a.obj", "b.obj", "c.obj"):
        write_mesh(tmp_path / name, icosphere(1))
    assert load_shapes(tmp_path).up == "y"
    assert load_shapes(tmp_path / "a.obj").up == "y"
    grid = np.zeros((3, 8, 8, 8), bool)
    grid[:, 2:5, 2:5, 2:5] = True
    np.savez(tmp_path / "grids.npz", grid)
    assert load_shapes(tmp_path / "grids.npz").up == "z"
