"""Learning the occupancy of a mesh: from the file to IoU and a mesh in the file's frame."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from rayfield.app.command.display import Quiet
from rayfield.app.meshes import level_set
from rayfield.app.meshes.meshing import Meshing
from rayfield.app.sources import shapes
from rayfield.app.sources.pictures import open_samples
from rayfield.app.sources.shapes import Solid, TrainedShape
from rayfield.core.types import Mesh
from rayfield.data.shape_samples import ShapeSampler
from rayfield.geometry.meshio import read_mesh, write_mesh
from rayfield.methods import fourier_features
from rayfield.train.run import Record, create_run


@pytest.fixture
def source(tmp_path, monkeypatch) -> Solid:
    """A box far from the origin."""
    monkeypatch.setattr(shapes, "ShapeSampler", partial(ShapeSampler, pool=1 << 12))
    low, high = np.array([100.0, -3.0, 5.0]), np.array([110.0, 2.0, 9.0])
    corners = np.array([[(low, high)[i >> a & 1][a] for a in range(3)] for i in range(8)])
    quads = [(0, 4, 6, 2), (1, 3, 7, 5), (0, 1, 5, 4), (2, 6, 7, 3), (0, 2, 3, 1), (4, 5, 7, 6)]
    faces = [f for a, b, c, d in quads for f in ((a, b, c), (a, c, d))]
    write_mesh(tmp_path / "box.ply", Mesh(corners, np.array(faces, np.int32)))
    found = open_samples(tmp_path / "box.ply", cfg=fourier_features.Config(), downscale=1)
    assert isinstance(found, Solid)
    return found


class Exact:
    """A method that knows the box."""

    @staticmethod
    def field(model):
        low = torch.tensor([0.05, 0.275, 0.32])
        high = torch.tensor([0.95, 0.725, 0.68])

        def occupancy(points):
            outside = torch.maximum(low - points, points - high).amax(dim=1, keepdim=True)
            return torch.sigmoid(-300 * outside)

        return occupancy


@pytest.fixture
def trained(source, tmp_path) -> TrainedShape:
    origin = source.origin(tmp_path / "run")
    record = Record(
        method="exact",
        config={},
        data=origin.data,
        world_from_scene=origin.world_from_scene,
        traits=origin.traits,
        seed=0,
        budget={},
    )
    return TrainedShape(create_run(tmp_path / "run", record), Exact, None, torch.nn.Identity(), 3)


def test_the_exact_field_has_an_iou_of_one(trained, monkeypatch):
    monkeypatch.setattr(shapes, "TESTED", 1 << 12)
    found = trained.evaluate()
    assert found["iou_uniform"] == pytest.approx(1, abs=1e-3)
    assert found["iou_near_surface"] == pytest.approx(1, abs=1e-3)
    assert json.loads(trained.run.metrics.read_text()) == found


def test_the_exported_mesh_lies_where_the_given_one_does(trained, tmp_path):
    found = trained.export(tmp_path / "out.ply", Meshing(48))
    assert found["boundary_edges"] == 0
    mesh = read_mesh(tmp_path / "out.ply")
    np.testing.assert_allclose(mesh.vertices.min(axis=0), [100, -3, 5], atol=0.1)
    np.testing.assert_allclose(mesh.vertices.max(axis=0), [110, 2, 9], atol=0.1)


def test_a_fine_mesh_asks_near_the_surface_alone_and_finds_thin_plates(
    trained, tmp_path, monkeypatch
):
    """A box, and by itself a leaning plate thinner than the cells where the search begins."""
    monkeypatch.setattr(level_set, "CAREFUL", 48)
    asked = []

    class Thin:
        @staticmethod
        def field(model):
            box, normal = Exact.field(model), torch.tensor([0.05, 0.03, 1.0])

            def occupancy(points):
                asked.append(len(points))
                off = points - torch.tensor([0.5, 0.5, 0.85])
                across = (off @ normal).abs() - 0.75 / 96
                plate = torch.maximum(across, off[:, :2].abs().amax(dim=1) - 0.4)
                return torch.maximum(box(points), torch.sigmoid(-300 * plate)[:, None])

            return occupancy

    found = replace(trained, method=Thin).export(tmp_path / "fine.ply", Meshing(96))
    assert found["components"] == 2
    assert found["boundary_edges"] == 0
    assert sum(asked) < 0.3 * 97**3


def test_previews_are_cuts_with_their_iou(source, trained):
    gallery = source.preview(trained.run, Exact, torch.nn.Identity(), cfg=None, display=Quiet())
    gallery.take(1, 1.0)
    frames = json.loads((trained.run.figures / "sharpening.json").read_text())["frames"]
    assert frames[0]["remark"] == "IoU 1.000"
    assert "8 vertices and 12 faces" in source.lines()[0]
