"""rayfield as a library: the README's example and the scripts in examples/."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

import rayfield
from rayfield.core.check import UsageError

ROOT = Path(__file__).resolve().parents[2]
TINY = "steps=30, downscale=8, settings={'entries': 2**14, 'finest': 128, 'occupancy': 32}"


def test_the_example_of_the_readme_runs(tmp_path, monkeypatch):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    assert len(code.splitlines()) <= 12
    for old, new in (
        ('"photos"', "rayfield.demo_photos()"),
        ("seconds=60", TINY),
        ("frames=240", "frames=2"),
        ("size=(640, 480)", "size=(24, 18)"),
        ('"scene.glb"', '"scene.glb", rayfield.Meshing(32)'),
    ):
        assert old in code
        code = code.replace(old, new)
    (tmp_path / "example.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    found = runpy.run_path("example.py")
    assert found["picture"].shape == (18, 24, 3)
    assert found["view"].depth.shape == (25, 25)
    assert (tmp_path / "scene.glb").stat().st_size > 1000
    assert (tmp_path / "run" / "renders" / "interpolate" / "interpolate.mp4").exists()


@pytest.mark.parametrize(
    ("script", "words", "made"),
    [
        ("01_train_and_look.py", "new --seconds 1 --downscale 8", "new/new_view.png"),
        ("02_depth_to_points.py", "{run} points.xyz --views 2", "points.xyz"),
        ("03_density.py", "{run} slice.png --pixels 32", "slice.png"),
    ],
)
def test_the_examples_run(script, words, made, tiny_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    args = [str(tiny_run) if word == "{run}" else word for word in words.split()]
    monkeypatch.setattr(sys, "argv", [script, *args])
    runpy.run_path(str(ROOT / "examples" / script), run_name="__main__")
    assert (tmp_path / made).stat().st_size > 100


def test_points_from_depth_lie_on_the_scene(tiny_run, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["02", str(tiny_run), str(tmp_path / "p.xyz")])
    runpy.run_path(str(ROOT / "examples" / "02_depth_to_points.py"), run_name="__main__")
    points = np.loadtxt(tmp_path / "p.xyz")[:, :3]
    assert np.median(np.linalg.norm(points, axis=1)) < 1.2


def test_density_is_per_world_unit_and_dense_inside(tiny_run):
    run = rayfield.open(tiny_run)
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (1000, 3)) - [0, 0, 0.1]
    found = run.density(points)
    assert found.shape == (1000,)
    assert (found >= 0).all()
    outside = run.density(points + np.array([0, 0, 1.2]))
    assert found.mean() > 2 * outside.mean()


@pytest.mark.parametrize("pose", [2 * np.eye(4), np.full((4, 4), np.nan), np.diag([1.0, 1, -1, 1])])
def test_what_is_not_a_pose_is_refused(tiny_run, pose):
    with pytest.raises(UsageError, match="a pose is"):
        rayfield.open(tiny_run).render(pose)
