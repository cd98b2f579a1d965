"""Whose turn it is, and what becomes of wishes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rayfield.app.viewer.engine import UNSEEN, Engine, Services
from rayfield.app.viewer.messages import Path, Seen, parse
from rayfield.core.check import RayfieldError

HOME = np.eye(4)


class Window:
    """What one window was sent, and its wishes."""

    def __init__(self, engine: Engine, words, opened) -> None:
        self.engine, self.sent = engine, []
        self._words, self._opened = words, opened
        self.client = engine.join(self.sent.append)

    def look(self, **more) -> None:
        self.hear(self._words(**more))

    def hear(self, text: str) -> None:
        self.engine.hear(self.client, parse(text, HOME))

    def frames(self) -> list[dict]:
        found = [self._opened(m)[0] for m in self.sent if isinstance(m, bytes)]
        return [about for about in found if about["kind"] == "frame"]

    def texts(self) -> list[dict]:
        return [json.loads(m) for m in self.sent if isinstance(m, str)]

    def watch(self, turns: int = 200) -> None:
        """Let the engine work, and take its pictures as a page does."""
        for _ in range(turns):
            seen = len(self.frames())
            if not self.engine.work(0.0):
                return
            for _ in range(len(self.frames()) - seen):
                self.engine.hear(self.client, Seen())


@pytest.fixture
def done() -> dict:
    return {"paused": [], "paths": [], "meshes": 0}


@pytest.fixture
def engine(ball, done) -> Engine:
    def keep(path: Path) -> dict:
        done["paths"].append(path)
        return {"file": "kept.json"}

    def mesh(progress) -> None:
        progress(0.5)
        done["meshes"] += 1

    return Engine(ball, Services(keep, done["paused"].append, mesh))


@pytest.fixture
def window(engine, words, opened) -> Window:
    return Window(engine, words, opened)


def test_a_look_is_painted_ever_finer_until_it_is_done(engine, window):
    assert not engine.work(0.0)
    window.look(width=640, height=480)
    window.watch()
    frames = window.frames()
    assert frames[-1]["done"]
    assert frames[-1]["size"] == [640, 480]
    assert [f["size"][0] for f in frames] == sorted(f["size"][0] for f in frames)
    assert len(frames) > 1
    assert not engine.work(0.0)


def test_a_new_look_replaces_the_old_one_at_once(engine, window):
    window.look(width=640, height=480)
    engine.work(0.0)
    window.look(number=2, width=640, height=480)
    window.look(number=3, width=640, height=480)
    engine.hear(window.client, Seen())
    window.watch()
    assert [f["number"] for f in window.frames()[:2]] == [1, 3]
    assert {f["number"] for f in window.frames()[1:]} == {3}


def test_pictures_wait_for_a_window_that_is_slow(engine, window):
    window.engine.pace.rates["color"] = 3e4
    window.look(width=640, height=480)
    while engine.work(0.0):
        pass
    assert len(window.frames()) == UNSEEN
    assert not window.frames()[-1]["done"]
    window.watch(0)
    engine.hear(window.client, Seen())
    engine.hear(window.client, Seen())
    window.watch()
    assert window.frames()[-1]["done"]


def test_three_windows_are_served_in_turn(engine, words, opened):
    windows = [Window(engine, words, opened) for _ in range(3)]
    for number, window in enumerate(windows):
        window.look(number=number, width=320, height=240)
    for _ in range(3):
        engine.work(0.0)
    assert [len(w.frames()) for w in windows] == [1, 1, 1]  # all have one before any has two
    for window in windows:
        engine.hear(window.client, Seen())
        engine.hear(window.client, Seen())
    while engine.work(0.0):
        for window in windows:
            engine.hear(window.client, Seen())
    assert all(w.frames()[-1]["done"] for w in windows)


def test_a_window_that_leaves_is_forgotten(engine, window, done):
    window.look(width=640, height=480)
    engine.work(0.0)
    engine.leave(window.client)
    assert not engine.work(0.0)
    assert not engine.watched
    assert done["paused"] == [False]  # nobody is left who could let it go on
    engine.leave(window.client)


def test_one_windows_trouble_is_told_to_it_alone(engine, words, opened, ball, monkeypatch):
    first, second = Window(engine, words, opened), Window(engine, words, opened)
    render = ball.method.render

    def fails(*args, **more):
        if first.client.frames is not None and not first.texts():
            raise RayfieldError("no more room")
        return render(*args, **more)

    monkeypatch.setattr(ball.method, "render", fails)
    first.look()
    engine.work(0.0)
    assert first.texts() == [{"kind": "trouble", "text": "no more room"}]
    second.look()
    second.watch()
    assert second.frames()[-1]["done"]
    assert not second.texts()
    first.look()
    first.watch()
    assert first.frames()[-1]["done"]


def test_errands_are_run_when_the_picture_is_there(engine, window, opened, done):
    window.look(width=640, height=480)
    still = json.loads(window._words()) | {"kind": "still", "width": 40, "height": 30}
    window.hear(json.dumps(still))
    keys = [{"seconds": 0, "pose": still["pose"]}]
    window.hear(json.dumps({"kind": "path", "keys": keys}))
    window.hear('{"kind": "mesh"}')
    window.hear('{"kind": "pause", "on": true}')
    window.watch()
    kinds = [opened(m)[0]["kind"] for m in window.sent if isinstance(m, bytes)]
    assert kinds[0] == "frame"
    assert kinds.count("still") == 1
    assert window.texts() == [
        {"kind": "kept", "file": "kept.json"},
        {"kind": "meshing", "fraction": 0.5},
        {"kind": "mesh"},
    ]
    assert len(done["paths"]) == done["meshes"] == 1
    assert done["paused"] == [True]


def test_errands_beyond_a_few_are_left_out(engine, window, done):
    for _ in range(50):
        window.hear('{"kind": "mesh"}')
    window.watch()
    assert done["meshes"] == 4


def test_a_field_that_still_learns_is_shown_anew_in_one_go(ball, words, opened):
    nothing = Services(lambda path: {}, lambda on: None, lambda progress: None)
    engine = Engine(ball, nothing, live=True)
    engine.pace.rates["color"] = 1e5
    window = Window(engine, words, opened)
    window.look(width=1000, height=800)
    window.watch()
    small, large = (f["size"][0] * f["size"][1] for f in window.frames())
    assert small < 4000
    assert 25_000 < large < 200_000
    before = len(window.frames())
    engine.field_changed()
    window.watch()
    assert len(window.frames()) == before + 1
    assert window.frames()[-1]["done"]
