"""Surfaces of known functions in turned, scaled and shifted worlds, whole and cropped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from rayfield.app.meshes.level_set import LevelSet, mesh_of
from rayfield.app.meshes.meshing import Crop, Meshing
from rayfield.core.check import RayfieldError, UsageError
from rayfield.geometry.mesh import report, transform, vertex_normals

RADIUS, SCALE = 0.8, 5.0
SHIFT = np.array([100.0, -20.0, 3.0])
RUN = Path("run")


def world(turn: float, *, mirrored: bool = False) -> np.ndarray:
    """A similarity: turned about an oblique axis, scaled, shifted."""
    matrix = np.eye(4)
    matrix[:3, :3] = SCALE * Rotation.from_rotvec(turn * np.array([0.6, 0.0, 0.8])).as_matrix()
    matrix[:3, 3] = SHIFT
    return matrix @ np.diag([-1.0, 1, 1, 1]) if mirrored else matrix


def ball() -> LevelSet:
    return LevelSet(lambda p: p.norm(dim=1) - RADIUS, 0.0, "below", "signed distance", SCALE)


def fog() -> LevelSet:
    """Density 40 inside the ball of that radius, falling off outside."""
    value = lambda p: 40 * torch.exp(-20 * (p.norm(dim=1) - RADIUS).clip(0))  # noqa: E731
    return LevelSet(value, 20.0, "above", "density", 1 / SCALE, thin=True)


@pytest.mark.parametrize("shape", [ball(), fog()])
@pytest.mark.parametrize(("turn", "mirrored"), [(0.0, False), (0.7, False), (0.4, True)])
def test_a_crop_cuts_a_ball_in_half_closed_and_flat(shape, turn, mirrored):
    matrix = world(turn, mirrored=mirrored)
    crop = Crop((-1e3, -1e3, -1e3), (SHIFT[0] + 1.0, 1e3, 1e3))  # all with x < 101
    found = transform(mesh_of(shape, Meshing(48, crop=crop), matrix, where=RUN), matrix)
    told = report(found)
    assert told["boundary_edges"] == told["nonmanifold_edges"] == 0
    assert (told["euler_number"], told["components"]) == (2, 1)
    radius = SCALE * (RADIUS if shape.quantity != "density" else RADIUS + np.log(2) / 20)
    cap = np.pi * (radius - 1) ** 2 * (2 * radius + 1) / 3
    assert told["volume"] == pytest.approx(4 / 3 * np.pi * radius**3 - cap, rel=0.02)
    assert found.vertices[:, 0].max() == pytest.approx(101.0, abs=3e-4)  # a thousandth of a cell
    flat = np.abs(found.vertices[:, 0] - 101.0) < 3e-4
    assert 0.05 < flat.mean() < 0.6
    assert np.median(vertex_normals(found)[flat][:, 0]) > 0.999


def test_the_cells_lie_within_the_crop():
    x, y, z = SHIFT.tolist()
    crop = Crop((x - 1, y - 1, z + 3), (x + 1, y + 1, z + 5))
    whole = mesh_of(ball(), Meshing(32), world(0.3), where=RUN)
    found = mesh_of(ball(), Meshing(32, crop=crop), world(0.3), where=RUN)
    edges = [np.linalg.norm(m.vertices[m.faces[:, 0]] - m.vertices[m.faces[:, 1]], axis=1)
             for m in (whole, found)]  # fmt: skip
    assert np.median(edges[1]) < np.median(edges[0]) / 3


def test_a_crop_past_the_scene_ends_with_the_scene():
    """What is beyond the cube that was learned is not surface, however the world is turned."""
    everywhere = LevelSet(lambda p: p[:, 2] * 0 - 1, 0.0, "below", "signed distance", SCALE)
    crop = Crop((-1e3,) * 3, (SHIFT[0], 1e3, 1e3))
    found = mesh_of(everywhere, Meshing(40, crop=crop), world(0.5), where=RUN)
    assert np.abs(found.vertices).max() < 1.0 + 1e-6
    assert report(found)["volume"] == pytest.approx(4.0, rel=0.03)


def test_a_crop_that_leaves_nothing_names_both_boxes():
    with pytest.raises(UsageError, match=r"lies from \(95, -25, -2\) to \(105, -15, 8\) in world"):
        mesh_of(ball(), Meshing(16, crop=Crop((0,) * 3, (1,) * 3)), world(0.0), where=RUN)


def test_an_empty_level_set_tells_its_range_its_box_and_what_to_try():
    thin = fog()._replace(level=60.0)
    with pytest.raises(RayfieldError) as told:
        mesh_of(thin, Meshing(16), world(0.0), where=RUN)
    message = str(told.value)
    assert message.startswith("run: no surface: the density is nowhere above 12;")
    assert "to 8 in the box (95, -25, -2) to (105, -15, 8)" in message  # 40 over 5 units
    threshold = float(message.split("--threshold ")[1].split(",")[0])
    again = thin._replace(level=threshold * SCALE)
    assert len(mesh_of(again, Meshing(16), world(0.0), where=RUN).faces) > 0


def test_a_distance_that_is_positive_everywhere_says_so():
    far = ball()._replace(value=lambda p: p.norm(dim=1) + 1)
    with pytest.raises(RayfieldError, match=r"signed distance is nowhere below 0.*train longer"):
        mesh_of(far, Meshing(16), world(0.0), where=RUN)
    near = ball()._replace(value=lambda p: p.norm(dim=1) - 9)
    crop = Crop(tuple(SHIFT - 1), tuple(SHIFT + 1))
    with pytest.raises(RayfieldError, match=r"everywhere below 0.*try another --crop"):
        mesh_of(near, Meshing(16, crop=crop), world(0.0), where=RUN)
