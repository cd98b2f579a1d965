"""How long tasks show where they are: live on a terminal, in plain lines, or as JSON lines.

All of it goes to standard error, so that standard output holds results only.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Protocol, runtime_checkable

from rayfield.train.progress import Progress

LINE_SECONDS = 5.0


@runtime_checkable
class Display(Protocol):
    """What verbs report to while they work."""

    def note(self, text: str) -> None:
        """One line worth knowing."""

    def step(self, progress: Progress) -> None:
        """Where a training is."""

    def preview(self, seconds: float, psnr: float) -> None:
        """The quality of the preview view after `seconds` of training, dB."""

    def task(self, label: str, fraction: float, remark: str = "") -> None:
        """How much of a task is done, in [0, 1], and what it is at."""

    def close(self) -> None:
        """Leave the terminal tidy."""


class Quiet:
    """Shows nothing: for use as a library."""

    def note(self, text: str) -> None:
        """See Display."""

    def step(self, progress: Progress) -> None:
        """See Display."""

    def preview(self, seconds: float, psnr: float) -> None:
        """See Display."""

    def task(self, label: str, fraction: float, remark: str = "") -> None:
        """See Display."""

    def close(self) -> None:
        """See Display."""


class Plain:
    """A line every few seconds: for files, pipes and simple terminals."""

    def __init__(self) -> None:
        self._last = 0.0
        self._clock = Clock()
        self._view = ""

    def note(self, text: str) -> None:
        """See Display."""
        print(text, file=sys.stderr, flush=True)

    def step(self, progress: Progress) -> None:
        """See Display."""
        if self._due(progress.eta_seconds <= 0):
            self.note("  ".join(f"{name} {value}" for name, value in facts(progress)) + self._view)

    def preview(self, seconds: float, psnr: float) -> None:
        """See Display."""
        self._view = f"  test view {psnr:.1f} dB at {seconds:.0f} s"

    def task(self, label: str, fraction: float, remark: str = "") -> None:
        """See Display."""
        left = self._clock.left(label, fraction)
        if self._due(fraction >= 1):
            self.note(f"{label}: {100 * fraction:.0f} %, {duration(left)} left  {remark}".rstrip())

    def close(self) -> None:
        """See Display."""

    def _due(self, last: bool) -> bool:
        now = time.monotonic()
        if not last and now < self._last + LINE_SECONDS:
            return False
        self._last = now
        return True


class JsonLines:
    """One JSON object a line, each with an "event": for other programs."""

    def note(self, text: str) -> None:
        """See Display."""
        self._write({"event": "note", "text": text})

    def step(self, progress: Progress) -> None:
        """See Display."""
        self._write({"event": "step", **progress._asdict()})

    def preview(self, seconds: float, psnr: float) -> None:
        """See Display."""
        self._write({"event": "preview", "seconds": seconds, "psnr": psnr})

    def task(self, label: str, fraction: float, remark: str = "") -> None:
        """See Display."""
        self._write({"event": "task", "task": label, "fraction": fraction, "remark": remark})

    def close(self) -> None:
        """See Display."""

    def _write(self, value: dict[str, Any]) -> None:
        print(json.dumps(value), file=sys.stderr, flush=True)


class Clock:
    """How long the task at hand will still take, if it goes on at its pace."""

    def __init__(self) -> None:
        self._label, self._start = "", 0.0

    def left(self, label: str, fraction: float) -> float:
        """Seconds left; the time of a task starts when its label is first seen."""
        now = time.monotonic()
        if label != self._label:
            self._label, self._start = label, now
        return (now - self._start) * (1 - fraction) / max(fraction, 1e-9) if fraction else 0.0


def make_display(*, log_json: bool) -> Display:
    """The display that suits standard error."""
    if log_json:
        return JsonLines()
    from rich.console import Console

    from rayfield.app.command.live import Live

    console = Console(stderr=True)
    if console.is_terminal and not console.is_dumb_terminal:
        return Live(console)
    return Plain()


def facts(progress: Progress) -> list[tuple[str, str]]:
    """The figures of a training to show: names and values."""
    found = [("step", f"{progress.step:,}")]
    found += [(name.replace("_", " "), f"{value:.2g}") for name, value in progress.terms.items()]
    if progress.psnr is not None:
        found.append(("psnr", f"{progress.psnr:.1f} dB"))
    found.append(("rays/s", _thousands(progress.rays_per_second)))
    if progress.samples_per_second is not None:
        found.append(("samples/s", f"{progress.samples_per_second / 1e6:.2f} M"))
    found.append(("elapsed", duration(progress.seconds)))
    found.append(("left", duration(progress.eta_seconds)))
    return found


def _thousands(rate: float) -> str:
    """145 k, 3.2 k or 91: slow methods have a rate too."""
    if rate < 1000:
        return f"{rate:.0f}"
    return f"{rate / 1e3:.1f} k" if rate < 10_000 else f"{rate / 1e3:.0f} k"


def duration(seconds: float) -> str:
    """0:07, 12:34 or 1:02:03."""
    minutes, rest = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
