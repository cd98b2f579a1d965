"""The demo, with a training of the tiny kind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rayfield.app import demo
from rayfield.app.command.display import Quiet
from rayfield.app.drawing.figures import read_picture
from rayfield.app.learned.opened import Learned, open_learned
from rayfield.app.learned.rendering import Shot
from rayfield.app.meshes.meshing import Meshing


def test_the_demo_leaves_a_sheet_a_video_a_mesh_and_its_figures(tmp_path, tiny_run, monkeypatch):
    def train(method: str, data: Path, out: Path, **_: object) -> Learned:
        assert (data / "mesh.ply").exists()
        shutil.copytree(tiny_run, out)
        return open_learned(out)

    monkeypatch.setattr(demo, "train", train)
    monkeypatch.setattr(demo, "SIDE", 24)
    monkeypatch.setattr(demo, "FILM", Shot("turntable", (24, 24), 2, 25.0))
    monkeypatch.setattr(demo, "MESHING", Meshing(32))
    out = tmp_path / "demo"
    values, text = demo.demo(out, seconds=1.0, display=Quiet())
    assert json.loads((out / "demo.json").read_text()) == values
    sheet = read_picture(out / "contact_sheet.png")
    assert min(sheet.shape[:2]) > 1000
    assert sheet.std() > 10
    made = (values["video"], values["mesh"]["file"], values["contact_sheet"], values["report"])
    for file in made:
        assert Path(file).stat().st_size > 1000
        assert file in text
    assert values["mesh"]["boundary_edges"] == 0
    assert values["mesh_distance"]["chamfer_l1_onet"] < 0.5
    assert values["psnr"] == pytest.approx(json.loads((out / "metrics.json").read_text())["psnr"])
