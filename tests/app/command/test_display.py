"""How progress is shown."""

from __future__ import annotations

import io
import json
import re

import pytest
from rich.console import Console

from rayfield.app.command.display import Clock, JsonLines, Plain, Quiet, duration, facts
from rayfield.app.command.live import Live
from rayfield.train.progress import Progress

HALF = Progress(
    step=1234,
    steps=None,
    seconds=30.0,
    budget_seconds=60.0,
    eta_seconds=30.0,
    wall_seconds=33.0,
    terms={"mse": 0.00123, "distortion": 2e-5},
    psnr=29.1,
    rays_per_second=145_000.0,
    samples_per_second=3.2e6,
    lr_factor=0.5,
)
DONE = HALF._replace(eta_seconds=0.0)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (754.0, "12:34"), (3723.0, "1:02:03")],
)
def test_durations_read_like_a_clock(seconds, shown):
    assert duration(seconds) == shown


def test_a_step_is_told_with_its_losses_rates_and_time_left():
    shown = dict(facts(HALF))
    assert shown["step"] == "1,234"
    assert shown["mse"] == "0.0012"
    assert shown["psnr"] == "29.1 dB"
    assert shown["rays/s"] == "145 k"
    assert shown["samples/s"] == "3.20 M"
    slow = [dict(facts(HALF._replace(rays_per_second=rate)))["rays/s"] for rate in (91.2, 3210.0)]
    assert slow == ["91", "3.2 k"]
    assert shown["left"] == "0:30"
    assert "psnr" not in dict(facts(HALF._replace(psnr=None)))


def test_plain_lines_come_seldom_but_the_last_one_always_comes(capsys):
    display = Plain()
    for _ in range(100):
        display.step(HALF)
    display.preview(16.0, 24.5)
    display.step(DONE)
    display.close()
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert len(lines) == 2
    assert lines[1].endswith("test view 24.5 dB at 16 s")
    assert "\x1b" not in err
    assert out == ""


def test_tasks_are_told_in_plain_lines(capsys):
    display = Plain()
    for done in range(11):
        display.task("rendering", done / 10)
    assert capsys.readouterr().err.splitlines()[-1] == "rendering: 100 %, 0:00 left"


def test_every_json_line_is_an_object_that_names_its_event(capsys):
    display = JsonLines()
    display.note("héllo")
    display.step(HALF)
    display.preview(1.0, 20.0)
    display.task("meshing", 0.5)
    display.close()
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [event["event"] for event in events] == ["note", "step", "preview", "task"]
    assert events[1]["terms"] == HALF.terms


def test_a_terminal_shows_one_block_and_is_left_tidy():
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, _environ={"TERM": "xterm"})
    display = Live(console)
    display.note("[not markup]")
    display.preview(16.0, 24.5)
    display.step(HALF)
    display.step(DONE)
    display.task("rendering", 0.5)
    display.close()
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue())
    for part in ("[not markup]", "training", "50 %", "1,234", "24.5 dB at 16 s", "rendering"):
        assert part in shown
    hidden, shown = (stream.getvalue().rfind(f"\x1b[?25{end}") for end in "lh")
    assert 0 <= hidden < shown  # the cursor


def test_quiet_shows_nothing(capsys):
    display = Quiet()
    display.note("a")
    display.step(HALF)
    display.preview(1.0, 2.0)
    display.task("b", 1.0)
    display.close()
    assert capsys.readouterr() == ("", "")


def test_the_time_left_follows_from_the_pace(monkeypatch):
    now = iter([100.0, 110.0, 120.0, 200.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    clock = Clock()
    assert clock.left("a", 0.0) == 0.0
    assert clock.left("a", 0.25) == pytest.approx(30.0)
    assert clock.left("a", 1.0) == 0.0
    assert clock.left("b", 0.5) == 0.0  # a new task starts its own clock
