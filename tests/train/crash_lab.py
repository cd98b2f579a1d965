"""Trainings of the toy that are killed: at random times, and at every system call of a save.

Run as a program, so that each victim is a fork of one small process that has torch loaded.
Its arguments are a folder and the number of kills at random times; it prints one JSON object.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
import toy

from rayfield.train import checkpoint
from rayfield.train.interrupt import Interrupted
from rayfield.train.lock import locked
from rayfield.train.progress import Hooks
from rayfield.train.run import Run, open_run

STEPS = 3000  # with a checkpoint after each, far more than fit between the kills on any machine
CALLS = ("open", "write", "fsync", "replace", "close", "mkdir", "unlink", "rmdir")


def fork(child: Callable[[], None]) -> int:
    """Run `child` in a fork; its process id."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            child()
            code = 0
        finally:
            os._exit(code)
    return pid


def kill_at_random_times(folder: Path, kills: int) -> dict[str, object]:
    """Train with a checkpoint after every step, killed again and again, to the end."""
    whole = toy.new_run(folder / "whole")
    _, model, optimiser = toy.train(whole, steps=STEPS)
    run = toy.new_run(folder / "killed")
    draw = random.Random(0)
    resumed, codes = [], set()

    def victim() -> None:
        with locked(run.path):
            toy.train(open_run(run.path), steps=STEPS, checkpoint_seconds=0.0)

    for _ in range(kills):
        pid = fork(victim)
        time.sleep(draw.uniform(0.0, 0.1))
        os.kill(pid, signal.SIGKILL)
        codes.add(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        latest = checkpoint.load_latest(open_run(run.path))
        resumed.append(0 if latest is None else latest.step)
    _, again, optimiser_again = toy.train(run, steps=STEPS)
    same = toy.digest(model, optimiser) == toy.digest(again, optimiser_again)
    left = sorted(os.listdir(run.checkpoints))
    return {"same": same, "resumed": resumed, "codes": sorted(codes), "left": left}


def exit_at_every_call(folder: Path) -> dict[str, object]:
    """End the process at the k-th system call of a training that saves twice, for every k."""
    whole = toy.new_run(folder / "whole")
    _, model, optimiser = toy.train(whole, steps=4)
    wanted = toy.digest(model, optimiser)
    failures, exits = [], 0
    for k in itertools.count():
        run = toy.new_run(folder / f"k{k}")
        stop_after(run, 2)
        pid = fork(lambda k=k, run=run: _finish_until_call(k, run))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code == 0:
            break
        exits += code == 77
        if checkpoint.load_latest(run) is None:
            failures.append(f"{k}: nothing to resume")
        _, model, optimiser = toy.train(run, steps=4)
        if toy.digest(model, optimiser) != wanted:
            failures.append(f"{k}: other bits")
        if any(name.startswith(".") for name in os.listdir(run.checkpoints)):
            failures.append(f"{k}: leftovers")
    return {"failures": failures, "calls": k, "exits": exits}


def stop_after(run: Run, step: int) -> None:
    """Train `run` for some steps of its four, and stop it as Ctrl-C does."""
    with contextlib.suppress(Interrupted):
        toy.train(run, steps=4, hooks=interrupt_at(step))


def interrupt_at(step: int, signals: tuple[int, ...] = (signal.SIGINT,)) -> Hooks:
    """Hooks that send signals to this process after a step."""

    def send(*_: object) -> None:
        for number in signals:
            os.kill(os.getpid(), number)

    return Hooks(preview_at=lambda done, _: done == step, preview=send)


def _finish_until_call(k: int, run: Run) -> None:
    left = k

    def counted(call: Callable[..., object]) -> Callable[..., object]:
        def count(*args: object, **kwargs: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                if call is write:  # half of the bytes reach the file
                    call(args[0], bytes(args[1])[: len(args[1]) // 2])
                os._exit(77)
            return call(*args, **kwargs)

        return count

    write = os.write
    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))
    toy.train(run, steps=4, checkpoint_seconds=0.0)


def press_twice(folder: Path) -> dict[str, object]:
    """Two SIGINT in one step: the process ends at once, with nothing saved or spoilt."""
    run = toy.new_run(folder / "twice")
    stop_after(run, 2)
    hooks = interrupt_at(3, (signal.SIGINT, signal.SIGINT))
    pid = fork(lambda: toy.train(run, steps=4, hooks=hooks))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    latest = checkpoint.load_latest(run)
    return {"code": code, "step": latest.step if latest else None}


if __name__ == "__main__":
    torch.set_num_threads(1)
    os.fsync = lambda handle: None  # a kill loses nothing the system was given; syncing is slow
    place = Path(sys.argv[1])
    for name in ("random", "calls", "twice"):
        (place / name).mkdir()
    report = {
        "random": kill_at_random_times(place / "random", int(sys.argv[2])),
        "calls": exit_at_every_call(place / "calls"),
        "twice": press_twice(place / "twice"),
    }
    sys.stdout.write(json.dumps(report))
