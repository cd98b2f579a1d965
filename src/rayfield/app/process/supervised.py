"""The worker seen from outside: started, listened to, and never left behind.

Its crash is an error of one line. It is killed when the one who waits for it is stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rayfield.app.command.display import Display
from rayfield.app.process.job import Job, raise_error
from rayfield.app.process.outcome import Outcome, from_values
from rayfield.core.check import RayfieldError

COMMAND = (sys.executable, "-m", "rayfield.app.process.worker")
STACK = re.compile(r"\s*(@\s|\*\*\*|PC: @)")
LAST_WORDS = 300  # characters of what a crashed worker said


def supervise(job: Job, log: Path, display: Display) -> Outcome:
    """Let the worker do a job; what came out. `log`: a file for what else it says.

    Raises DataError where the input cannot be used, RayfieldError where the worker fails or dies,
    KeyboardInterrupt when stopped by Ctrl-C, SIGTERM or SIGHUP.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(job.threads), "PYTHONUTF8": "1"}
    with (
        _stoppable(),
        log.open("wb") as words,
        subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            env=environment,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Ctrl-C is for us, who then end it
        ) as worker,
    ):
        try:
            outcome = _listen(worker, job, display)
            worker.wait()
        finally:
            worker.kill()
    if outcome is None:
        raise RayfieldError(_death(worker.returncode, log))
    return outcome


def _listen(worker: subprocess.Popen[str], job: Job, display: Display) -> Outcome | None:
    """Pass on what the worker says until it says no more; the outcome, if it came to one."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    with contextlib.suppress(BrokenPipeError):  # it died at once, which is told below
        worker.stdin.write(job.to_line())
        worker.stdin.flush()
    outcome = None
    for line in worker.stdout:
        event = _parsed(line)
        raise_error(event)
        if "task" in event:
            display.task(event["task"], event["fraction"], event["remark"])
        elif "note" in event:
            display.note(event["note"])
        elif "outcome" in event:
            outcome = from_values(event["outcome"])
    return outcome


def _parsed(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _death(code: int, log: Path) -> str:
    """What to say of a worker that ended without an answer."""
    if code < 0:
        name = signal.Signals(-code).name if -code in list(signal.Signals) else f"signal {-code}"
        how = f"was ended by {name}"
        if name == "SIGKILL":
            how += " (memory may have run out: use fewer or smaller photos, or fewer --threads)"
    else:
        how = f"ended with code {code}"
    said = _last_words(log)
    return f"the reconstruction {how}; nothing was written" + (f"; it said: {said}" if said else "")


def _last_words(log: Path) -> str:
    """The end of what a worker said, in one line, without the stack of native code."""
    lines = log.read_text(errors="replace").splitlines()
    words = " ".join(line for line in lines if not STACK.match(line))
    return " ".join(words.split())[-LAST_WORDS:]


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM and SIGHUP stop the block like Ctrl-C does (in the main thread)."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            if name in signal.Signals.__members__:  # Windows has no SIGHUP
                before[signal.Signals[name]] = signal.signal(signal.Signals[name], stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
