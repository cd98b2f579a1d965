"""A ball of known size as a field: nothing is trained, everything is exact."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from rayfield.app.learned.cameras import NamedCamera, to_world
from rayfield.app.learned.field import TrainedField
from rayfield.core.types import Camera, Rays, Rendered, SceneTraits
from rayfield.math.rays import ray_sphere
from rayfield.train.run import Record, Run

RADIUS = 0.5
WORLD = np.array([[0, -2, 0, 10], [2, 0, 0, 20], [0, 0, 2, 30], [0, 0, 0, 1.0]])


@dataclass(frozen=True)
class Config:
    """Nothing to set."""

    steps: int = 1


class Ball:
    """A method that has learned an opaque ball whose colour is the place on it."""

    Config = Config
    PRESETS: ClassVar = {"default": Config()}
    asked = 0

    def adapt(self, cfg, traits): ...
    def build(self, cfg, *, generator): ...
    def loss(self, model, batch, cfg, step, *, generator): ...
    def batch_size(self, model, cfg): ...
    def param_groups(self, model, cfg): ...
    def lr_factor(self, cfg, step, progress): ...

    def render(self, model, rays: Rays, cfg, *, background) -> Rendered:
        self.asked += len(rays.near)
        first, last = ray_sphere(rays.origins, rays.directions, radius=RADIUS)
        near = torch.maximum(first, rays.near)
        hit = torch.minimum(last, rays.far) > near
        depth = near * hit
        place = rays.origins + depth[:, None] * rays.directions
        color = torch.where(hit[:, None], 0.5 + 0.9 * place, background)
        return Rendered(color, hit.float(), depth, 3 + 4 * hit.long())

    def density(self, model):
        return lambda points: 100 * torch.sigmoid((RADIUS - points.norm(dim=-1)) / 0.02)

    def color(self, model):
        return lambda points, along: 0.5 + 0.9 * points


def camera_at(azimuth: float, distance: float = 2.0) -> Camera:
    """A camera of 64x48 pixels that looks at the origin from a place at the height 0.5."""
    lens = Camera(64, 48, 60.0, 60.0, 32.0, 24.0, np.eye(4))
    eye = np.eye(4)
    eye[:3, 3] = distance * np.cos(azimuth), distance * np.sin(azimuth), 0.5
    forward = -eye[:3, 3] / np.linalg.norm(eye[:3, 3])
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    eye[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    return replace(lens, pose=eye)


@pytest.fixture
def ball(tmp_path: Path) -> TrainedField:
    """The ball as it would be opened from a run folder; its data is gone."""
    traits = SceneTraits(True, True, 6, 0.01)
    record = Record(
        method="instant",
        config={},
        data={
            "given": "gone",
            "path": (tmp_path / "gone").as_posix(),
            "relative": "gone",
            "fingerprint": "",
            "splits": {"train": 6, "val": 0, "test": 2},
            "downscale": 1,
        },
        world_from_scene=WORLD.tolist(),
        traits=traits._asdict(),
        seed=0,
        budget={"steps": 1, "seconds": None},
    )
    folder = tmp_path / "run <img src=x onerror=alert(1)>"
    folder.mkdir()
    lines = [
        {"step": s, "seconds": s / 10, "psnr": 10 + s / 100, "terms": {"mse": 1 / s}}
        for s in range(1, 900, 3)
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    cameras = tuple(
        NamedCamera(
            f"r_{i}.png" if i else "<img src=x onerror=alert(1)>.png",
            "train" if i < 6 else "test",
            replace(camera_at(i), pose=to_world(camera_at(i).pose, WORLD)),
        )
        for i in range(8)
    )
    return TrainedField(Run(folder, record), Ball(), Config(), nn.Identity(), 899, cameras)


@pytest.fixture(scope="session")
def lens() -> Callable[[float], Camera]:
    """`camera_at`."""
    return camera_at
