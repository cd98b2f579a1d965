"""A training that is looked at: the same bits, a small part of the time, never stopped."""

from __future__ import annotations

import json
import signal
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from websockets.sync.client import connect

import rayfield
from rayfield.app.command.display import Quiet
from rayfield.app.plan import Plan
from rayfield.app.training import resume, train
from rayfield.app.viewer import watching
from rayfield.app.viewer.address import Door
from rayfield.app.viewer.watching import Allowance, Watch, told
from rayfield.core.check import UsageError
from rayfield.train.interrupt import Interrupted
from rayfield.train.progress import Progress

TINY = ("entries=2**12", "finest=64", "levels=4", "samples=2**10", "occupancy=16", "step=0.05")


class Notes(Quiet):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


class Patient(Watch):
    """Does not begin before somebody looks on."""

    patience = 20.0

    def between(self, asked) -> None:
        end = time.monotonic() + self.patience
        while self._viewer and not self._viewer.engine.watched and time.monotonic() < end:
            time.sleep(0.01)
        self.patience = 0.0
        super().between(asked)


class Visitor:
    """A window on a training, in a thread: looks, takes pictures, and does `what` with texts."""

    def __init__(self, notes: Notes, words, what=lambda link, about: None) -> None:
        self.frames, self.texts, self.problem = 0, [], None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(notes, words, what))
        self._thread.start()

    def _run(self, notes, words, what) -> None:
        try:
            while not (lines := [s for s in notes.said if s.startswith("viewer: ")]):
                if self._stop.wait(0.01):
                    return
            url = lines[0].removeprefix("viewer: ")
            base, token = url.split("/?token=")
            host = base.removeprefix("http://")
            cookie = f"rayfield-{host.rpartition(':')[2]}={token}"
            options = {"origin": base, "additional_headers": {"Cookie": cookie}}
            with connect(f"ws://{host}/link", max_size=None, close_timeout=0.5, **options) as link:
                number = 0
                while not self._stop.is_set():
                    number += 1
                    link.send(words(number=number, width=120, height=90))
                    message = link.recv(timeout=10)
                    if isinstance(message, bytes):
                        self.frames += 1
                        link.send('{"kind": "seen"}')
                    else:
                        self.texts.append(json.loads(message))
                        what(link, self.texts[-1])
        except Exception as error:
            self.problem = error

    def leave(self) -> None:
        self._stop.set()
        self._thread.join(20)


def trained(out: Path, steps: int, **more):
    plan = Plan(steps=steps, downscale=8, settings=TINY)
    return train("instant", rayfield.demo_photos(), out, plan=plan, **more)


def test_looking_changes_no_bit(tmp_path, words):
    alone = trained(tmp_path / "alone", 40)
    notes = Notes()
    visitor = Visitor(notes, words)
    try:
        with Patient(Door(port=0), notes) as watch:
            watched = trained(tmp_path / "watched", 40, display=notes, onlooker=watch)
    finally:
        visitor.leave()
    assert visitor.frames > 0
    kinds = {about["kind"] for about in visitor.texts}
    assert "progress" in kinds
    for name, tensor in alone.model.state_dict().items():
        assert torch.equal(tensor, watched.model.state_dict()[name]), name


def test_pause_holds_it_and_it_goes_on_when_nobody_is_left(tmp_path, words):
    notes, steps = Notes(), []

    class Slow(Notes):
        """Tells where the training is."""

        def step(self, progress) -> None:
            steps.append((time.monotonic(), progress.step))

    display = Slow()
    display.said = notes.said
    held = []

    def pause(link, about) -> None:
        if about["kind"] == "progress" and not held:
            held.append(time.monotonic())
            link.send('{"kind": "pause", "on": true}')
        if about["kind"] == "paused" and about["on"]:
            held.append(time.monotonic())

    visitor = Visitor(notes, words, pause)

    def leaves() -> None:
        while len(held) < 2:
            time.sleep(0.02)
        time.sleep(0.7)
        visitor.leave()

    leaver = threading.Thread(target=leaves)
    leaver.start()
    with Patient(Door(port=0), display) as watch:
        found = trained(tmp_path / "run", 120, display=display, onlooker=watch)
    leaver.join(20)
    assert found.step == 120
    assert len(held) >= 2
    gaps = [b[0] - a[0] for a, b in pairwise(steps)]
    assert max(gaps) > 0.5


def test_ctrl_c_ends_a_training_that_is_held(tmp_path, words):
    notes = Notes()

    def pause(link, about) -> None:
        if about["kind"] == "progress":
            link.send('{"kind": "pause", "on": true}')
        if about["kind"] == "paused":
            signal.raise_signal(signal.SIGINT)

    visitor = Visitor(notes, words, pause)
    try:
        with Patient(Door(port=0), notes) as watch, pytest.raises(Interrupted, match="saved"):
            trained(tmp_path / "run", 100_000, display=notes, onlooker=watch)
    finally:
        visitor.leave()


def test_a_viewer_that_fails_stops_nothing(tmp_path, words, monkeypatch):
    def broken(self, seconds):
        raise MemoryError("all is full")

    monkeypatch.setattr("rayfield.app.viewer.engine.Engine.work", broken)
    notes = Notes()
    visitor = Visitor(notes, words)
    try:
        with Patient(Door(port=0), notes) as watch:
            found = trained(tmp_path / "run", 20, display=notes, onlooker=watch)
            watch.linger()
    finally:
        visitor.leave()
    assert found.step == 20
    assert any("has stopped (all is full); training goes on" in said for said in notes.said)


def test_a_field_that_cannot_be_looked_at_is_trained_all_the_same(tmp_path, monkeypatch):
    def nothing(learner):
        raise UsageError("there is nothing to look at")

    monkeypatch.setattr(watching, "_field", nothing)
    notes = Notes()
    with Watch(Door(port=0), notes) as watch:
        assert trained(tmp_path / "run", 3, display=notes, onlooker=watch).step == 3
        watch.linger()
    assert any("nothing to look at" in said for said in notes.said)


def test_a_resumed_training_is_looked_at_too(tmp_path, words):
    trained(tmp_path / "run", 3)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    record["budget"]["steps"] = 20
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    notes = Notes()
    visitor = Visitor(notes, words)
    try:
        with Patient(Door(port=0), notes) as watch:
            assert resume(tmp_path / "run", display=notes, onlooker=watch).step == 20
    finally:
        visitor.leave()
    assert any(said.startswith("viewer: http://127.0.0.1:") for said in notes.said)


def test_an_allowance_is_a_share_of_the_time(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(watching.time, "perf_counter", lambda: now[0])
    allowance, spent = Allowance(0.1, 1.0), 0.0
    for _ in range(10_000):
        now[0] += 0.01  # a step
        if allowance.saved() > 0.01:
            now[0] += 0.3  # a long tile
            allowance.spend(0.3)
            spent += 0.3
    assert spent == pytest.approx(0.1 * (now[0] - 100), abs=1)
    now[0] += 1000
    assert allowance.saved() == 1.0
    allowance.expire()
    assert allowance.saved() == 0.0
    allowance.spend(0.5)
    allowance.expire()
    assert allowance.saved() == -0.5  # a debt stays


def test_what_is_told_of_a_step_is_plain():
    progress = Progress(
        step=7,
        steps=10,
        seconds=3.0,
        budget_seconds=None,
        eta_seconds=1.0,
        wall_seconds=4.0,
        terms={"mse": 0.5, "other": float("nan")},
        psnr=None,
        rays_per_second=9.0,
        samples_per_second=None,
        lr_factor=1.0,
    )
    found = told(progress)
    assert found["loss"] is found["psnr"] is None
    assert found["fraction"] == 0.75
    json.dumps(found, allow_nan=False)
