"""A sound made-up capture, all round its subject, to be damaged in one way at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rayfield.core.types import Camera
from rayfield.data.check.coverage import sphere
from rayfield.data.scene import Capture, Frame
from rayfield.data.synthetic import look_at_origin

WIDTH, HEIGHT, FOCAL = 96, 72, 100.0
COUNT = 32
OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
Document = dict[str, Any]


def poses(count: int = COUNT) -> np.ndarray:
    """Cameras (OpenCV's axes) all round (1, 2, 3) that look almost at it."""
    rng = np.random.default_rng(1)
    found = np.stack([look_at_origin(4 * place) for place in sphere(count)])
    found[:, :3, 3] += np.array([1.0, 2.0, 3.0]) + rng.normal(0, 0.05, (count, 3))
    return found


def texture(index: int) -> np.ndarray:
    """Coarse and fine noise, the same in all pictures but for a shift."""
    rng = np.random.default_rng(0)
    coarse = np.kron(rng.uniform(60, 190, (9, 12, 3)), np.ones((8, 8, 1)))
    fine = rng.uniform(-20, 20, (HEIGHT, WIDTH, 3))
    return np.roll(np.clip(coarse + fine, 0, 255).astype(np.uint8), 7 * index, axis=1)


def disc(radius: float = 15.0) -> np.ndarray:
    """White inside a circle in the middle, black around."""
    row, column = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    inside = np.hypot(row - HEIGHT / 2, column - WIDTH / 2) < radius
    return np.where(inside, 255, 0).astype(np.uint8)


def document(matrices: np.ndarray) -> Document:
    """A transforms.json of matrices in its own axes."""
    frames = [
        {"file_path": f"images/{i:02d}.png", "transform_matrix": matrix.tolist()}
        for i, matrix in enumerate(matrices)
    ]
    lens = {"fl_x": FOCAL, "w": WIDTH, "h": HEIGHT}
    return {**lens, "frames": frames}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write the capture into a new folder, RGB or with alpha, after changing its document."""

    def write_set(
        change: Callable[[Document], None] | None = None, *, alpha: bool = False, name: str = "set"
    ) -> Path:
        root = tmp_path / name
        (root / "images").mkdir(parents=True)
        content = document(poses() @ OPENGL)
        for i in range(COUNT):
            pixels = texture(i)
            pixels = np.dstack([pixels, disc()]) if alpha else pixels
            Image.fromarray(pixels).save(root / f"images/{i:02d}.png")
        if change is not None:
            change(content)
        (root / "transforms.json").write_text(json.dumps(content))
        return root

    return write_set


@pytest.fixture
def captured() -> Callable[..., Capture]:
    """The cameras alone, of given poses, every 8th held out."""

    def capture(given: np.ndarray | None = None, **lens: float) -> Capture:
        values = {"fx": FOCAL, "fy": FOCAL, "cx": WIDTH / 2, "cy": HEIGHT / 2, **lens}
        frames = tuple(
            Frame(
                f"{i}.png",
                Camera(WIDTH, HEIGHT, values["fx"], values["fy"], values["cx"], values["cy"], pose),
                Path(f"{i}.png"),
                "test" if i % 8 == 0 else "train",
            )
            for i, pose in enumerate(poses() if given is None else given)
        )
        return Capture(Path(), "ngp", frames, None, ())

    return capture
