"""What is drawn of photos while a field is trained."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from rayfield.app.command.display import Quiet
from rayfield.app.drawing import preview
from rayfield.app.learned.field import View, method_named
from rayfield.core.types import Camera
from rayfield.data.load import load_scene
from rayfield.data.synthetic import look_at_origin
from rayfield.train.run import Record, Run

LENS = {"k1": 0.2, "k2": -0.05, "p1": 0.001, "p2": 0.0}


@pytest.fixture
def scene(tmp_path):
    """Four photos through a lens that distorts."""
    frames = []
    for i, angle in enumerate(np.linspace(0, 1, 4)):
        Image.new("RGB", (32, 24), (90, 120, 60)).save(tmp_path / f"{i}.png")
        pose = look_at_origin(4 * np.array([np.cos(angle), np.sin(angle), 0.3]))
        pose = pose @ np.diag([1.0, -1.0, -1.0, 1.0])
        frames.append({"file_path": f"{i}.png", "transform_matrix": pose.tolist()})
    document = {"fl_x": 30.0, "w": 32, "h": 24, **LENS, "frames": frames}
    (tmp_path / "transforms.json").write_text(json.dumps(document))
    return load_scene(tmp_path)


def test_the_preview_is_taken_through_the_lens_of_the_photo_beside_it(scene, tmp_path, monkeypatch):
    asked: list[Camera] = []

    def shown(method, model, cfg, *, camera, traits, image):
        asked.append(camera)
        flat = np.zeros((camera.height, camera.width), np.float32)
        return View(np.zeros((*flat.shape, 3), np.float32), flat, flat)

    monkeypatch.setattr(preview, "render_view", shown)
    record = Record(
        method="instant", config={}, data={}, world_from_scene=[], traits={}, seed=0, budget={}
    )
    run = Run(tmp_path / "run", record)
    run.path.mkdir()
    model = nn.Linear(1, 1)
    method = method_named("instant")
    gallery = preview.scene_gallery(run, method, model, cfg=None, scene=scene, display=Quiet())
    gallery.take(1, 1.0)
    assert [camera.distortion for camera in asked] == [scene.split("test")[0].camera.distortion]
    assert torch.tensor(asked[0].distortion).count_nonzero() == 3
