"""From a file of points to a run, its pictures, its measures and a mesh in the file's frame."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from rayfield.app.command.display import Quiet
from rayfield.app.drawing.surfaces import UPS, frame_of, stood
from rayfield.app.learned import trained_surface
from rayfield.app.learned.rendering import Shot
from rayfield.app.learned.trained_surface import TrainedSurface
from rayfield.app.meshes.meshing import Meshing
from rayfield.app.sources import clouds
from rayfield.app.sources.clouds import Points, open_points
from rayfield.core.check import DataError, RayfieldError, UsageError
from rayfield.core.types import Mesh
from rayfield.data.pointfiles import usual_up
from rayfield.geometry.icosphere import icosphere
from rayfield.geometry.meshio import read_mesh, write_mesh
from rayfield.train.run import Record, create_run

EXACT = SimpleNamespace(surface=lambda model: lambda points: points.norm(dim=1) - 0.8)
NOWHERE = SimpleNamespace(surface=lambda model: lambda points: points.norm(dim=1) + 0.8)


def sphere(n: int) -> np.ndarray:
    """Even points of the unit sphere, poles included along each axis."""
    i = np.arange(n)
    z, turn = 1 - (2 * i + 1) / n, i * np.pi * (3 - np.sqrt(5))
    ring = np.sqrt(1 - z**2)
    points = np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=1)
    return np.concatenate([points, np.eye(3), -np.eye(3)])


def source(folder, *, middle: float = 0.0, radius: float = 1.0) -> Points:
    normals = sphere(2000)
    path = folder / "points.npy"
    np.save(path, np.concatenate([radius * normals + middle, normals], axis=1))
    return open_points(path, cfg=None, downscale=1)


def learned(folder, points: Points, method=EXACT) -> TrainedSurface:
    origin = points.origin(folder / "run")
    record = Record(
        method="exact",
        config={},
        data=origin.data,
        world_from_scene=origin.world_from_scene,
        traits=origin.traits,
        seed=0,
        budget={},
    )
    return TrainedSurface(
        create_run(folder / "run", record), method, None, torch.nn.Identity(), step=3
    )


@pytest.fixture
def coarse(monkeypatch):
    monkeypatch.setattr(trained_surface, "RESOLUTION", 40)
    monkeypatch.setattr(trained_surface, "TESTED", 2000)
    monkeypatch.setattr(clouds, "PREVIEWED", 16)


@pytest.mark.parametrize(("middle", "radius"), [(0.0, 1.0), (1e6, 1.0), (0.0, 1e-6), (3.0, 1e5)])
def test_the_mesh_lies_where_the_points_do(tmp_path, middle, radius):
    surface = learned(tmp_path, source(tmp_path, middle=middle, radius=radius))
    found = surface.export(tmp_path / "m.obj", Meshing(32))
    mesh = read_mesh(tmp_path / "m.obj")
    lengths = np.linalg.norm(mesh.vertices - middle, axis=1) / radius
    bound = (2 * 1.25 / 32) ** 2 / 8  # h^2 / 8R: linear interpolation of a distance
    assert np.abs(lengths - 1).max() < bound + 1e-6
    assert found["boundary_edges"] == 0
    assert found["components"] == 1
    direct = surface.mesh(32)
    np.testing.assert_allclose(mesh.vertices, direct.vertices, rtol=0, atol=1e-6 * radius)
    outward = (direct.vertices - middle) / radius
    assert (np.einsum("vk,vk->v", outward, direct.normals) > 0.999).all()
    value = surface.value(middle + 1.5 * radius * np.eye(3))
    np.testing.assert_allclose(value, 0.5 * radius, rtol=1e-3)


def test_a_small_piece_is_left_out_and_told_of_another_object_is_kept(tmp_path):
    def value(points):
        others = [(points - torch.tensor(at)).norm(dim=1) - radius for at, radius in places]
        return torch.stack([points.norm(dim=1) - 0.5, *others]).amin(0)

    method = SimpleNamespace(surface=lambda model: value)
    surface = learned(tmp_path, source(tmp_path), method)
    places = [([0.7, 0.7, 0.7], 0.2)]  # 16 % of the area
    found = surface.export(tmp_path / "both.ply", Meshing(32))
    assert (found["components"], found.get("notes")) == (2, None)
    places = [([0.8, 0.8, 0.8], 0.06), ([-0.8, 0.8, 0.8], 0.06)]  # 1.4 %
    found = surface.export(tmp_path / "one.ply", Meshing(32))
    assert found["components"] == 1
    assert found["notes"] == [
        "2 separate pieces of less than 2 % of the area of the largest are left out"
    ]


def test_the_exact_distance_of_a_sphere_measures_as_exact(tmp_path, coarse):
    surface = learned(tmp_path, source(tmp_path, middle=20.0, radius=3.0))
    write_mesh(tmp_path / "true.ply", surface.mesh(64))
    found = surface.evaluate(reference=tmp_path / "true.ply")
    assert found["value_at_data"] < 1e-6
    assert found["eikonal_deviation"] < 1e-3
    assert found["p2s_data_to_surface"] < 1e-3
    assert 0 < found["p2s_surface_to_data"] < 0.02  # the data are points, 0.04 apart
    assert found["normal_consistency"] > 0.99
    assert found["outward"] == 1
    assert found["mesh"]["euler_number"] == 2
    assert found["reference"]["p2s_accuracy"] < 1e-3
    assert found["reference"]["iou"] > 0.99
    assert json.loads(surface.run.metrics.read_text()) == found


def test_lengths_are_in_parts_of_the_longest_side(tmp_path, coarse):
    method = SimpleNamespace(surface=lambda model: lambda points: points.norm(dim=1) - 0.72)
    found = learned(tmp_path, source(tmp_path, radius=50.0), method).evaluate()
    for name in ("value_at_data", "p2s_data_to_surface"):
        assert found[name] == pytest.approx(0.05, rel=0.02)


def test_changed_data_is_refused(tmp_path):
    surface = learned(tmp_path, source(tmp_path))
    source(tmp_path, radius=2.0)
    with pytest.raises(DataError, match="changed"):
        surface.evaluate()


def test_previews_show_a_slice_and_the_surface_or_say_that_there_is_none(tmp_path, coarse):
    points = source(tmp_path)
    run = learned(tmp_path, points).run
    remarks = []
    for method in (EXACT, NOWHERE):
        gallery = points.preview(run, method, torch.nn.Identity(), cfg=None, display=Quiet())
        gallery.take(len(remarks) + 1, 1.0)
        rows = json.loads((run.figures / "sharpening.json").read_text())["frames"]
        remarks.append(rows[-1]["remark"])
    assert remarks == ["surface", "no surface"]
    assert "2,006 points with normals" in points.lines()[0]


def test_a_turntable_is_filmed(tmp_path, coarse):
    surface = learned(tmp_path, source(tmp_path))
    found = surface.render(Shot(frames=2, size=(48, 32)))
    assert (found["width"], found["height"], found["frames"]) == (48, 32, 2)
    assert (surface.run.renders / "turntable" / "turntable.mp4").stat().st_size > 0
    with pytest.raises(UsageError, match="turntable"):
        surface.render(Shot(path="test"))


def ball_above(up: str) -> SimpleNamespace:
    """A ball of radius 0.3 that is 0.4 above the middle."""
    middle = torch.tensor([0.4 * (1 if up[0] != "-" else -1) * (axis == up[-1]) for axis in "xyz"])
    return SimpleNamespace(surface=lambda model: lambda points: (points - middle).norm(dim=1) - 0.3)


def height_of(path) -> float:
    """How high what is drawn lies in a picture, from -1 to 1."""
    dark = np.asarray(Image.open(path).convert("L")) < 250
    rows = np.nonzero(dark)[0]
    return 1 - 2 * float(rows.mean()) / (dark.shape[0] - 1)


@pytest.mark.parametrize("up", ["x", "y", "z", "-x", "-y", "-z"])
def test_the_axis_that_is_up_is_up_in_the_film(tmp_path, coarse, up):
    surface = learned(tmp_path, source(tmp_path), ball_above(up))
    found = surface.render(Shot(frames=1, size=(64, 64), up=up))
    assert found["up"] == up
    assert height_of(surface.run.renders / "turntable" / "turntable.png") > 0.2


def test_tables_of_points_stand_on_z_and_meshes_on_y(tmp_path, coarse):
    assert usual_up(Path("a.obj")) == usual_up(Path("a.PLY")) == usual_up(Path("a.pwn")) == "y"
    assert usual_up(Path("a.npy")) == usual_up(Path("a.STL")) == usual_up(Path("a.glb")) == "z"
    surface = learned(tmp_path, source(tmp_path), ball_above("z"))
    assert surface.render(Shot(frames=1, size=(64, 64)))["up"] == "z"
    with pytest.raises(UsageError, match="no axis 'w'; give one of x, y, z, -x"):
        surface.render(Shot(frames=1, up="w"))


@pytest.mark.parametrize("up", UPS)
def test_upright_frames_are_rotations(up):
    frame = frame_of(up)
    np.testing.assert_allclose(frame @ frame.T, np.eye(3))
    assert np.linalg.det(frame) == pytest.approx(1)
    ball = stood(icosphere(1), frame)
    np.testing.assert_allclose(ball.vertices @ frame.T, icosphere(1).vertices, atol=1e-12)


def test_previews_stand_upright(tmp_path, coarse):
    """The points of an OBJ, whose y is up."""
    mesh = icosphere(2)
    low = Mesh(mesh.vertices * [0.3, 1.0, 0.3], mesh.faces)
    write_mesh(tmp_path / "tall.obj", low)
    tall = open_points(tmp_path / "tall.obj", cfg=None, downscale=1)
    method = SimpleNamespace(
        surface=lambda model: lambda p: (p / torch.tensor([0.24, 0.8, 0.24])).norm(dim=1) - 1
    )
    run = learned(tmp_path, tall, method).run
    gallery = tall.preview(run, method, torch.nn.Identity(), cfg=None, display=Quiet())
    gallery.take(1, 1.0)
    drawn = np.asarray(Image.open(run.figures / "preview-0000001.png"))[:, 256:, 0] < 250
    rows, columns = (np.ptp(axis) for axis in np.nonzero(drawn))
    assert rows > 1.5 * columns


def test_a_function_without_zeros_has_no_mesh(tmp_path):
    surface = learned(tmp_path, source(tmp_path), NOWHERE)
    with pytest.raises(RayfieldError, match="no surface"):
        surface.export(tmp_path / "m.ply", Meshing(8))
    assert not (tmp_path / "m.ply").exists()
