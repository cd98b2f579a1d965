"""What training shows and writes on its way, and what happens when it cannot."""

from __future__ import annotations

import errno
import logging
import math
import os
import time
from pathlib import Path
from types import ModuleType

import pytest

from rayfield.train import recorder
from rayfield.train.checkpoint import load_latest
from rayfield.train.log import read_log
from rayfield.train.progress import Hooks, Progress
from rayfield.train.recorder import SaveError


def collect() -> tuple[list[Progress], Hooks]:
    seen: list[Progress] = []
    return seen, Hooks(on_step=seen.append)


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_progress_tells_where_training_is(tmp_path: Path, toy: ModuleType, monkeypatch):
    monkeypatch.setattr(recorder, "REPORT_SECONDS", 0.0)
    seen, hooks = collect()
    toy.train(toy.new_run(tmp_path / "run"), steps=30, hooks=hooks)
    assert [progress.step for progress in seen] == list(range(1, 31))
    for progress in seen:
        assert progress.steps == 30
        assert progress.budget_seconds is None
        assert progress.terms.keys() == {"mse", "weights"}
        assert progress.psnr == pytest.approx(-10 * math.log10(progress.terms["mse"]))
        assert progress.lr_factor == pytest.approx(0.1 ** ((progress.step - 1) / 30))
        assert progress.wall_seconds > progress.seconds > 0
        assert progress.samples_per_second is None
    assert seen[-1].eta_seconds == 0.0
    assert seen[0].eta_seconds > 0.0


def test_rates_count_rays_and_samples_of_training_time(tmp_path: Path, toy: ModuleType):
    class Slow(toy.Sampler):
        def sample(self, n, *, generator):
            time.sleep(0.05)
            return super().sample(n, generator=generator)

    seen: list[Progress] = []
    hooks = Hooks(
        on_step=seen.append,
        samples_per_ray=lambda: 7.0,
        preview_at=lambda *_: True,
        preview=lambda *_: time.sleep(0.02),
    )
    toy.train(toy.new_run(tmp_path / "run"), steps=9, hooks=hooks, parts={"sampler": Slow()})
    for progress in seen:
        assert 0 < progress.rays_per_second < 18 / 0.05
        assert progress.samples_per_second == pytest.approx(7 * progress.rays_per_second)


def test_display_is_called_five_times_a_second_at_most_and_at_the_end(tmp_path: Path, toy):
    seen, hooks = collect()
    outcome, *_ = toy.train(toy.new_run(tmp_path / "run"), steps=None, seconds=0.5, hooks=hooks)
    assert len(seen) <= 2 + outcome.wall_seconds / recorder.REPORT_SECONDS
    assert seen[-1].step == outcome.step
    assert seen[-1].eta_seconds == 0.0


def test_previews_are_asked_for_after_every_step(tmp_path: Path, toy: ModuleType):
    asked, shown = [], []
    hooks = Hooks(
        preview_at=lambda step, seconds: asked.append((step, seconds)) or step in (1, 4),
        preview=lambda step, seconds: shown.append((step, seconds)),
    )
    toy.train(toy.new_run(tmp_path / "run"), steps=6, hooks=hooks)
    assert [step for step, _ in asked] == [1, 2, 3, 4, 5, 6]
    assert shown == [asked[0], asked[3]]


def test_log_tells_what_was_shown(tmp_path: Path, toy: ModuleType):
    seen, hooks = collect()
    run = toy.new_run(tmp_path / "run")
    toy.train(run, steps=30, hooks=hooks)
    last, shown = read_log(run.log)[-1], seen[-1]
    assert last["step"] == 30
    assert last["terms"] == shown.terms
    assert last["psnr"] == shown.psnr
    assert last["seconds"] == shown.seconds
    assert "eta_seconds" not in last


def test_log_of_a_resumed_training_has_every_step_once_and_in_order(tmp_path, toy, monkeypatch):
    monkeypatch.setattr(recorder, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(recorder, "LOG_SPACING", 0.0)
    run = toy.new_run(tmp_path / "run")
    toy.train(run, steps=10)
    with run.log.open("a") as file:
        file.write('{"step": 11}\n{"step": 12}\n{"st')  # steps done after the last checkpoint
    toy.train(run, steps=14)
    assert [record["step"] for record in read_log(run.log)] == list(range(1, 15))


def test_lines_get_rarer_as_training_goes_on(tmp_path: Path, toy: ModuleType, monkeypatch):
    monkeypatch.setattr(recorder, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(recorder, "LOG_SPACING", 1e6)
    seen, hooks = collect()
    run = toy.new_run(tmp_path / "run")
    toy.train(run, steps=20, hooks=hooks)
    assert len(seen) == 20
    assert [record["step"] for record in read_log(run.log)] == [1, 20]


def test_closed_terminal_does_not_stop_training(tmp_path: Path, toy: ModuleType):
    def closed(progress: Progress) -> None:
        raise BrokenPipeError

    outcome, *_ = toy.train(toy.new_run(tmp_path / "run"), hooks=Hooks(on_step=closed))
    assert outcome.step == 30


def test_failed_preview_is_an_error_only_at_the_end(tmp_path: Path, toy: ModuleType, caplog):
    run = toy.new_run(tmp_path / "run")
    hooks = Hooks(preview_at=lambda step, _: step == 4, preview=full_disk)
    with (
        caplog.at_level(logging.WARNING, "rayfield"),
        pytest.raises(SaveError, match=r"preview of step 4 .*No space left.*learned is saved"),
    ):
        toy.train(run, hooks=hooks)
    assert "training goes on" in caplog.text
    assert load_latest(run).step == 30


def test_failed_checkpoint_is_an_error_only_at_the_end(tmp_path, toy, monkeypatch, caplog):
    run = toy.new_run(tmp_path / "run")
    save, fails = recorder.checkpoint.save, {3, 4, 5}

    def sometimes(run, step, *args, **kwargs):
        return full_disk() if step in fails else save(run, step, *args, **kwargs)

    monkeypatch.setattr(recorder.checkpoint, "save", sometimes)
    with (
        caplog.at_level(logging.WARNING, "rayfield"),
        pytest.raises(SaveError, match=r"checkpoint of step 5 .*all that was learned is saved"),
    ):
        toy.train(run, checkpoint_seconds=0.0)
    assert [record.message.count("goes on") for record in caplog.records] == [1, 1, 1]
    assert load_latest(run).step == 30


def test_disk_full_to_the_end_tells_what_is_saved(tmp_path: Path, toy, monkeypatch):
    run = toy.new_run(tmp_path / "run")
    toy.train(run, steps=5)
    monkeypatch.setattr(recorder.checkpoint, "save", full_disk)
    with pytest.raises(SaveError, match=r"saved up to step 5; free space and .* rayfield resume"):
        toy.train(run)
    assert load_latest(run).step == 5


def test_log_that_cannot_be_written_warns_once(tmp_path: Path, toy, monkeypatch, caplog):
    monkeypatch.setattr(recorder, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(recorder, "LOG_SPACING", 0.0)
    monkeypatch.setattr(recorder.Log, "append", full_disk)
    with (
        caplog.at_level(logging.WARNING, "rayfield"),
        pytest.raises(SaveError, match="the log could not be written"),
    ):
        toy.train(toy.new_run(tmp_path / "run"))
    assert len(caplog.records) == 1
