"""Keep tiny runs of this version, for later ones to prove that they still open them.

    python tools/keep_runs.py tests/golden/VERSION

Each run is trained a few steps on made-up data, which is kept beside it, and what it answers at
fixed places is written into answers.json. See tests/golden/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import rayfield
from rayfield.app.learned.field import TrainedField
from rayfield.app.learned.opened import Learned
from rayfield.app.learned.trained_picture import TrainedPicture
from rayfield.app.learned.trained_shapes import TrainedShapes
from rayfield.app.learned.trained_surface import TrainedSurface
from rayfield.data.synthetic import toy, write_scene
from rayfield.geometry.icosphere import icosphere
from rayfield.geometry.meshio import write_mesh

STEPS = 12
HASHED = {"levels": 3, "entries": 128, "finest": 32, "width": 8}
RUNS: dict[str, tuple[str, dict[str, Any]]] = {  # method: its data, its settings
    "nerf": ("photos", {"width": 12, "depth": 3, "skip": 1, "bands": 4, "rays": 64}),
    "instant": ("photos", {**HASHED, "samples": 1024, "occupancy": 16, "step": 0.03}),
    "neus": ("photos", {**HASHED, "samples": 1024, "rays": 64, "occupancy": 16, "step": 0.03}),
    "srn": ("photos", {"width": 16, "hidden": 4, "marches": 4, "rays": 64}),
    "igr": ("points.npy", {**HASHED, "batch": 64}),
    "deepsdf": ("shape.off", {"width": 16, "layers": 3, "code": 8, "points": 64}),
    "fourier_features": ("picture.png", {"width": 16, "features": 16, "batch": 64}),
}
PLACES = np.random.default_rng(0).uniform(-0.9, 0.9, (24, 3)).round(4)


def make_data(folder: Path) -> None:
    """Photos of a ball on a box, points on a ball, a closed mesh, a picture."""
    write_scene(folder / "photos", toy(0), views={"train": 6, "test": 1}, size=16)
    ball = icosphere(2, radius=0.7)
    np.save(folder / "points.npy", ball.vertices.astype(np.float32))
    write_mesh(folder / "shape.off", ball)
    rows, columns = np.mgrid[:16, :16]
    waves = [
        127 + 120 * np.sin(rows * a + columns * b) for a, b in ((0.2, 0.5), (0.7, 0.1), (0, 1))
    ]
    Image.fromarray(np.stack(waves, -1).astype(np.uint8)).save(folder / "picture.png")


def answers(learned: Learned) -> dict[str, Any]:
    """What a run says at fixed places, by the question."""
    if isinstance(learned, TrainedField):
        view = learned.view(learned.split("test")[0].camera, size=(5, 4))
        found = {name: part for name, part in view._asdict().items()}
        if learned.run.record["method"] in ("nerf", "instant"):
            found["density"] = learned.density(PLACES)
        if learned.run.record["method"] == "neus":
            found["distance"] = learned.distance(PLACES)
    elif isinstance(learned, TrainedSurface):
        found = {"value": learned.value(PLACES)}
    elif isinstance(learned, TrainedShapes):
        found = {"value": learned.value()(torch.from_numpy(PLACES / 2).float()).numpy()}
    elif isinstance(learned, TrainedPicture):
        found = {"image": learned.image((5, 4))}
    else:
        raise TypeError(f"nothing is asked of {type(learned).__name__} yet")
    return {name: _rounded(values) for name, values in found.items()}


def _rounded(values: np.ndarray) -> list[Any]:
    return [[float(f"{x:.7g}") for x in row] for row in values.reshape(len(values), -1)]


def keep(out: Path) -> None:
    """Train every run of RUNS and write it, its data and its answers into the new folder `out`."""
    found = {}
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        Path("data").mkdir()
        make_data(Path("data"))
        for method, (data, settings) in RUNS.items():
            learned = rayfield.train(
                method, f"data/{data}", method, steps=STEPS, settings=settings, report=False
            )
            found[method] = answers(learned)
            _strip(Path(method), data)
        Path("answers.json").write_text(json.dumps(found, indent=0) + "\n")
        os.chdir(home)
        shutil.copytree(name, out)


def _strip(run: Path, data: str) -> None:
    """Leave out the pictures, and where on this machine the data lay."""
    shutil.rmtree(run / "figures", ignore_errors=True)
    for left in run.glob(".*"):
        left.unlink()
    record = json.loads((run / "run.json").read_text())
    record["data"]["path"] = f"/elsewhere/{data}"
    (run / "run.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="a new folder, tests/golden/VERSION")
    keep(parser.parse_args().out.absolute())
