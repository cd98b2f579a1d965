"""The page about a run: by the verb and after every training, whatever the run holds."""

from __future__ import annotations

import json
import re
import shutil

import pytest

import rayfield
from rayfield.app.report import after
from rayfield.train.lock import locked


@pytest.fixture
def run(tiny_run, tmp_path):
    """The trained run as training left it: other tests may have evaluated and filmed it."""
    later = shutil.ignore_patterns("metrics.json", "evaluation.png", "renders", "mesh*", "report*")
    shutil.copytree(tiny_run, tmp_path / "run", ignore=later)
    return tmp_path / "run"


def test_the_page_shows_views_a_video_and_a_mesh_that_the_run_had_not(run, command):
    found = command.json("report", run, "--seconds", 200)
    assert (found["left_out"], found["problems"]) == ([], [])
    text = (run / "report.html").read_text()
    assert found["bytes"] == len(text.encode()) < 3e6
    assert re.search(r"a quick look at \d+ of 16 held-out views, at 25x25", text)
    assert text.count('<div class="three">') == 3
    assert 'src="data:video/mp4;base64,' in text
    assert 'id="mesh-data"' in text
    assert "separate pieces" in text
    assert "rayfield train instant" in text
    assert "--steps 60 --downscale 8 --set entries=16384" in text
    assert "reading data, preparing kernels" in text
    again = command("report", run, "--seconds", 200)[1]
    assert re.match(r".*report\.html: \d\.\d MB, in \d+\.\d s\n$", again)


def test_what_was_measured_and_filmed_is_taken_as_it_is(run, command, tmp_path):
    measured = command.json("eval", run)
    command.json("render", run, "--frames", 3, "--resolution", "24x18")
    command.json("export", run, "-o", tmp_path / "fine.glb", "--resolution", 48)
    found = command.json("report", run, "--seconds", 0)
    text = (run / "report.html").read_text()
    assert f"<b>{measured['psnr']:.2f}</b><span>PSNR, dB, 16 views</span>" in text
    assert "quick look" not in text
    assert text.count('<div class="three">') == 3
    assert 'src="data:video/mp4;base64,' in text
    assert "exported: fine.glb" in text
    assert found["left_out"] == [f"the mesh (it would take long): rayfield export {run} -o mesh.glb makes one"]  # fmt: skip  # noqa: E501


def test_every_training_leaves_a_page_unless_told_not_to(tiny_run, train_tiny, tmp_path, capsys):
    text = (tiny_run / "report.html").read_text()
    assert "as it sharpened" in text
    assert train_tiny(tmp_path / "a", "--steps", 2, "--no-report") == 0
    assert not (tmp_path / "a" / "report.html").exists()
    assert "report" not in capsys.readouterr().out


def test_a_page_that_fails_fails_no_training(train_tiny, tmp_path, monkeypatch, capsys):
    def failing(*_, **__):
        raise RuntimeError("out of\npaper")

    monkeypatch.setattr(after, "write_report", failing)
    assert train_tiny(tmp_path / "a", "--steps", 2) == 0
    told = capsys.readouterr().err
    assert f"the report was not written (out of paper); again: rayfield report {tmp_path}/a" in told
    assert (tmp_path / "a" / "checkpoints" / "step-2").is_dir()


def test_a_run_in_training_or_stopped_has_a_page_too(run, command):
    record = json.loads((run / "run.json").read_text())
    record["budget"]["steps"] = 100
    (run / "run.json").write_text(json.dumps(record))
    with locked(run):
        assert command("report", run, "--seconds", 0)[0] == 0
    text = (run / "report.html").read_text()
    assert "the training is not at its end, 60 of 100 steps are done: rayfield resume" in text


@pytest.mark.parametrize("damage", ["checkpoint", "photos", "figures"])
def test_what_is_gone_is_told_on_the_page(run, command, damage, tmp_path):
    if damage == "checkpoint":
        (run / "checkpoints" / "step-60" / "model.safetensors").write_bytes(b"nothing")
    elif damage == "photos":
        record = json.loads((run / "run.json").read_text())
        record["data"] |= {"path": str(tmp_path / "gone"), "relative": "../gone"}
        (run / "run.json").write_text(json.dumps(record))
    else:
        shutil.rmtree(run / "figures")
    code, out, _ = command("report", run, "--seconds", 5)
    assert code == 0
    text = (run / "report.html").read_text()
    told = {
        "checkpoint": "model.safetensors: has 7 bytes",
        "photos": "is not there; put the data back",
        "figures": "",
    }[damage]
    assert told in out
    assert told in text
    assert ('id="mesh-data"' in text) == (damage != "checkpoint")


def test_what_is_no_run_is_refused(command, tmp_path):
    code, _, err = command("report", tmp_path)
    assert (code, "no run here" in err) == (3, True)
    assert list(tmp_path.iterdir()) == []
    code, _, err = command("report", tmp_path, "--seconds", -1)
    assert (code, "out of range" in err) == (2, True)


def test_runs_of_other_kinds_have_their_own_pictures(command, tmp_path):
    picture = tmp_path / "picture.png"
    shutil.copy(rayfield.demo_photos() / "test" / "r_0.png", picture)
    words = ("--steps", 2, "--downscale", 8, "--set", "width=16", "--set", "features=8")
    command.json("train", "fourier_features", picture, "-o", tmp_path / "run", *words)
    command.json("report", tmp_path / "run")
    text = (tmp_path / "run" / "report.html").read_text()
    assert "as it should be" in text
    assert "the cameras" not in text
    assert 'id="mesh-data"' not in text


def test_a_surface_of_points_can_be_turned(command, tmp_path):
    import numpy as np

    points = np.random.default_rng(0).normal(size=(500, 3))
    np.save(tmp_path / "ball.npy", points / np.linalg.norm(points, axis=1, keepdims=True))
    words = ("--steps", 2, "--set", "width=8", "--set", "layers=2", "--set", "batch=16")
    command.json("train", "sal", tmp_path / "ball.npy", "-o", tmp_path / "run", *words)
    found = command.json("report", tmp_path / "run", "--seconds", 20)
    text = (tmp_path / "run" / "report.html").read_text()
    assert found["left_out"] == []
    assert 'id="mesh-data"' in text
    assert 'data-mode="0"' not in text  # it has no colours
    assert 'data-mode="1"' in text
