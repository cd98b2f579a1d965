"""A training in the browser: `train --view`. It takes a small part of the time, and stops nothing.

All rendering is done between steps, by the thread that trains: the weights do not change under a
picture, the kernels' buffers are nobody else's, and a training that is looked at computes the
same bits as one that is not.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import time
from collections.abc import Callable
from typing import Any

from rayfield.app.command.display import Display
from rayfield.app.learned.field import TrainedField
from rayfield.app.learned.restoring import Restored, open_field
from rayfield.app.learned.trained_class import TrainedClass
from rayfield.app.sources.photos import Photos as PhotoSource
from rayfield.app.sources.source import Source
from rayfield.app.viewer.address import Door, listen
from rayfield.app.viewer.photos import Photos
from rayfield.app.viewer.viewing import TURN, Viewer
from rayfield.train.progress import Progress

SHARE = 0.1  # of the time, for pictures
MOST = 0.5  # seconds of it that may be saved up
SLICE = 0.1  # seconds of work between two steps; a tile may take longer, and is made up for
LEAST = 0.01  # seconds that are worth beginning with


class Allowance:
    """Seconds that may be spent: they come in at a steady rate, and are saved up to a limit."""

    def __init__(self, share: float, most: float) -> None:
        self._share, self._most = share, most
        self._saved, self._counted = 0.0, time.perf_counter()

    def saved(self) -> float:
        """What may be spent now; below 0 after too much was."""
        now = time.perf_counter()
        self._saved = min(self._saved + self._share * (now - self._counted), self._most)
        self._counted = now
        return self._saved

    def expire(self) -> None:
        """Nothing was saved up until now."""
        self._saved, self._counted = min(self._saved, 0.0), time.perf_counter()

    def spend(self, seconds: float) -> None:
        """Take away what was spent."""
        self._saved -= seconds


class Watch:
    """An `Onlooker` that shows a training; a context that ends the server.

    Raises UsageError, at once, for an address that cannot be had.
    """

    def __init__(self, door: Door, display: Display) -> None:
        self._door, self._display = door, display
        self._listening = listen(door.host, door.port)
        self._viewer: Viewer | None = None
        self._learner: Restored | None = None
        self._paused = False
        self._allowance = Allowance(SHARE, MOST)
        self._stack = contextlib.ExitStack()
        self._stack.callback(self._listening.close)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def begin(self, learner: Restored, source: Source) -> None:
        """See Onlooker."""
        with self._harmless():
            field, note = _field(learner), self._display.note
            photos = Photos(learner.run, field.cameras, live=True)
            if isinstance(source, PhotoSource):
                photos.take(source.scene.frames)
            services = (self._pause, self._listening)
            viewer = Viewer(field, self._door, note, photos=photos, training=services)
            self._stack.enter_context(viewer)
            viewer.announce()
            self._viewer, self._learner = viewer, learner

    def step(self, progress: Progress) -> None:
        """See Onlooker."""
        if self._viewer is None:
            return
        with self._harmless():
            text = json.dumps(told(progress), allow_nan=False)
            self._viewer.engine.greet("progress", text)
            self._viewer.engine.tell(text)

    def between(self, asked: Callable[[], bool]) -> None:
        """See Onlooker."""
        viewer = self._viewer
        if viewer is None:
            return
        engine = viewer.engine
        with self._harmless():
            engine.field_changed()
            if not engine.watched:
                self._allowance.expire()  # who comes later is not owed what nobody took
                return
            saved = self._allowance.saved()
            if saved > LEAST:
                started = time.perf_counter()
                self._look(min(saved, SLICE))
                self._allowance.spend(time.perf_counter() - started)
            while self._paused and not asked() and viewer.alive:
                engine.live = False
                if not self._look(SLICE):
                    engine.wait(TURN / 2)
            engine.live = True

    def linger(self) -> None:
        """After the training: show what it has learned until nobody looks on, or Ctrl-C."""
        if self._viewer is None or self._learner is None:
            return
        engine = self._viewer.engine
        command = f"rayfield view {shlex.quote(str(self._learner.run.path))}"
        with self._harmless(), contextlib.suppress(KeyboardInterrupt):
            engine.live = False
            engine.field_changed()
            engine.greet("finished", json.dumps({"kind": "finished", "command": command}))
            engine.tell(json.dumps({"kind": "finished", "command": command}))
            if engine.watched:
                self._display.note("the viewer stays open while a browser looks on; Ctrl-C ends it")
            while engine.watched and self._viewer is not None and self._viewer.alive:
                if not self._look(TURN):
                    engine.wait(TURN)

    def _look(self, seconds: float) -> bool:
        """Render; whether there is more to do."""
        assert self._viewer is not None
        assert self._learner is not None
        model = self._learner.model
        training = model.training
        model.eval()
        try:
            return self._viewer.engine.work(seconds)
        finally:
            model.train(training)

    def _pause(self, on: bool) -> None:
        if on != self._paused and self._viewer is not None:
            self._paused = on
            text = json.dumps({"kind": "paused", "on": on})
            self._viewer.engine.greet("paused", text)
            self._viewer.engine.tell(text)

    @contextlib.contextmanager
    def _harmless(self) -> Any:
        """Whatever goes wrong with the viewer ends it, and nothing else."""
        try:
            yield
        except Exception as error:
            self._viewer, self._paused = None, False
            what = str(error) or type(error).__name__
            self._display.note(f"the viewer has stopped ({what}); training goes on")
            with contextlib.suppress(Exception):
                self._stack.close()


def _field(learner: Restored) -> TrainedField:
    """What is learned, as it is at any time; of a class, its first scene."""
    if "scenes" in learner.run.record["traits"]:
        return TrainedClass(*learner).scene()
    return open_field(learner)


def told(progress: Progress) -> dict[str, Any]:
    """What the page shows of where a training is."""
    left = progress.eta_seconds
    return {
        "kind": "progress",
        "step": progress.step,
        "seconds": progress.seconds,
        "left": left,
        "fraction": progress.seconds / max(progress.seconds + left, 1e-9),
        "loss": _finite(sum(progress.terms.values())),
        "psnr": _finite(progress.psnr),
        "rate": progress.rays_per_second,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) < 1e30 else None
