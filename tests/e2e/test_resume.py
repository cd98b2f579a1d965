"""Stopping and going on."""

from __future__ import annotations

import json
import shutil
import signal

import pytest
import torch

import rayfield
from rayfield.app.command import cli
from rayfield.app.command.display import Quiet
from rayfield.app.learned.opened import open_learned
from rayfield.data.load import load_scene
from rayfield.train.lock import locked
from rayfield.train.progress import Progress


class Impatient(Quiet):
    """Presses Ctrl-C at the first report of a training."""

    def step(self, progress: Progress) -> None:
        """See Display."""
        signal.raise_signal(signal.SIGINT)


def test_a_training_that_was_stopped_ends_as_one_that_was_not(
    tmp_path, train_tiny, command, monkeypatch
):
    assert train_tiny(tmp_path / "whole", "--steps", 8) == 0
    with monkeypatch.context() as patched:
        patched.setattr(cli, "make_display", lambda log_json: Impatient())
        assert train_tiny(tmp_path / "stopped", "--steps", 8) == 130
    stopped = open_learned(tmp_path / "stopped")
    assert stopped.step < 8
    found = command.json("resume", tmp_path / "stopped")
    assert found["step"] == 8
    whole, resumed = (open_learned(tmp_path / name).model for name in ("whole", "stopped"))
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_a_finished_run_resumes_to_itself(tiny_run, command, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    assert command.json("resume", tmp_path / "run")["step"] == 60


def test_a_run_and_its_data_may_move_together(tmp_path, train_tiny, command):
    shutil.copytree(rayfield.demo_photos(), tmp_path / "a" / "photos")
    words = ["train", "instant", tmp_path / "a" / "photos", "-o", tmp_path / "a" / "run"]
    assert command(*words, "--steps", 1, "--downscale", 8, "--set", "entries=2**10")[0] == 0
    (tmp_path / "a").rename(tmp_path / "b")
    assert command.json("resume", tmp_path / "b" / "run")["step"] == 1


@pytest.mark.parametrize("verb", ["resume", "eval"])
def test_changed_data_is_not_trained_or_measured_on(tmp_path, command, verb):
    shutil.copytree(rayfield.demo_photos(), tmp_path / "photos")
    words = ["train", "instant", tmp_path / "photos", "-o", tmp_path / "run", "--steps", 1]
    assert command(*words, "--downscale", 8, "--set", "entries=2**10")[0] == 0
    file = tmp_path / "photos" / "transforms_train.json"
    content = json.loads(file.read_text())
    content["frames"].pop()
    file.write_text(json.dumps(content))
    code, _, err = command(verb, tmp_path / "run")
    assert code == 3
    assert "differs from the data" in err


def test_a_run_without_its_photos_can_still_be_rendered(tmp_path, command):
    shutil.copytree(rayfield.demo_photos(), tmp_path / "photos")
    words = ["train", "instant", tmp_path / "photos", "-o", tmp_path / "run", "--steps", 1]
    assert command(*words, "--downscale", 8, "--set", "entries=2**10")[0] == 0
    shutil.rmtree(tmp_path / "photos")
    assert command.json("render", tmp_path / "run", "--frames", 1)["frames"] == 1
    assert command("eval", tmp_path / "run")[0] == 3


def test_a_run_folder_is_not_trained_into_twice(tiny_run, train_tiny, command):
    before = sorted(tiny_run.rglob("*"))
    assert train_tiny(tiny_run) == 2
    assert "holds a run already" in command("train", "instant", "x", "-o", tiny_run)[2]
    assert sorted(tiny_run.rglob("*")) == before


@pytest.mark.parametrize("verb", ["eval", "resume"])
def test_photos_stay_where_they_were_trained_though_another_box_is_found(
    tiny_run, command, tmp_path, monkeypatch, verb
):
    """As by another version, or on a machine with other arithmetic."""
    shutil.copytree(tiny_run, tmp_path / "run")
    found = command.json("eval", tmp_path / "run")["psnr"]
    monkeypatch.setattr("rayfield.data.hull.GRIDS", (20, 20))
    box = load_scene(rayfield.demo_photos()).world_from_scene
    assert abs(box - rayfield.open(tmp_path / "run").world_from_scene).max() > 0.01
    if verb == "resume":
        record = json.loads((tmp_path / "run" / "run.json").read_text())
        record["budget"]["steps"] += 5
        (tmp_path / "run" / "run.json").write_text(json.dumps(record))
        assert command.json("resume", tmp_path / "run")["step"] == 65
        assert command.json("eval", tmp_path / "run")["psnr"] > found - 1
    else:
        assert command.json("eval", tmp_path / "run")["psnr"] == pytest.approx(found, abs=0.01)


def test_a_run_in_use_is_refused_before_its_data_is_read(tiny_run, command, tmp_path, monkeypatch):
    shutil.copytree(tiny_run, tmp_path / "run")
    monkeypatch.setattr("rayfield.app.training.READERS", {})
    with locked(tmp_path / "run"):
        code, _, err = command("resume", tmp_path / "run")
    assert code == 1
    assert "in use by process" in err
