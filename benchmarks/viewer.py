"""What looking costs: pictures a second while turning, a fine picture when still, and how much
slower a training is that somebody looks at.

The window is one that never rests: each picture asks for the next, from somewhere else. It comes
and goes every few seconds of one training; steps per second of both times are compared, so that
the machine's moods concern both. Pictures are made and encoded, not sent.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from common import Figure, parser, report, scene_path

from rayfield.app.command.display import Quiet
from rayfield.app.drawing.paths import turntable
from rayfield.app.learned.field import TrainedField
from rayfield.app.plan import Plan
from rayfield.app.training import train
from rayfield.app.viewer.address import Door
from rayfield.app.viewer.engine import Client, Engine, Services
from rayfield.app.viewer.messages import Look, Seen
from rayfield.app.viewer.stage import scene_cameras, vertical_fov
from rayfield.app.viewer.watching import Watch

PHASE = 4.0  # seconds
TURNS = 60  # views round the subject


class Window:
    """A window that turns with every picture."""

    def __init__(self, engine: Engine, field: TrainedField, size: tuple[int, int]) -> None:
        self.engine, self.size, self.frames = engine, size, 0
        self.cameras = turntable(scene_cameras(field), TURNS)
        self.client: Client = engine.join(self.take)
        self.turn()

    def take(self, message: bytes | str) -> None:
        """See Engine.join."""
        if isinstance(message, bytes):
            self.frames += 1
            self.engine.hear(self.client, Seen())
            self.turn()

    def turn(self) -> None:
        """Ask for another view."""
        camera = self.cameras[self.frames % TURNS]
        look = Look(self.frames, camera.pose, vertical_fov(camera), *self.size)
        self.engine.hear(self.client, look)


class Comparison(Watch):
    """A training that is looked at, and left alone, in turn."""

    def __init__(self) -> None:
        super().__init__(Door(port=0), Quiet())
        self.spent = {True: [0.0, 0], False: [0.0, 0]}  # by whether looked at: seconds, steps
        self.window: Window | None = None
        self.last = self.changed = time.perf_counter()
        self.frames = 0

    def between(self, asked: Callable[[], bool]) -> None:
        """See Onlooker."""
        super().between(asked)
        now = time.perf_counter()
        phase = self.spent[self.window is not None]
        phase[0] += now - self.last
        phase[1] += 1
        if now > self.changed + PHASE and self._viewer is not None:
            self.changed = now
            self.change(self._viewer.engine)
        self.last = time.perf_counter()

    def change(self, engine: Engine) -> None:
        """The window comes, or goes."""
        if self.window is None:
            self.window = Window(engine, engine.field, (800, 600))
        else:
            self.frames += self.window.frames
            engine.leave(self.window.client)
            self.window = None

    def figures(self) -> Iterator[Figure]:
        """How much slower, and how many pictures that gave."""
        looked, alone = (self.spent[key][1] / self.spent[key][0] for key in (True, False))
        slower = 100 * (1 - looked / alone)
        yield Figure("training is slower while looked at by", max(slower, 0.1), "%", 15, True)
        yield Figure("pictures a second meanwhile", self.frames / self.spent[True][0], "")


def looking(field: TrainedField, count: int) -> Iterator[Figure]:
    """Pictures of a trained field."""
    services = Services(lambda path: {}, lambda on: None, lambda progress: None)
    engine = Engine(field, services)
    window = Window(engine, field, (160, 120))
    engine.work(0.0)
    times = []
    for _ in range(count):
        started = time.perf_counter()
        before = window.frames
        while window.frames == before:
            engine.work(0.0)
        times.append(time.perf_counter() - started)
    yield Figure("pictures of 160x120 a second, median", 1 / float(np.median(times)), "", 8)
    yield Figure("pictures of 160x120 a second, slowest", 1 / max(times), "")
    engine.leave(window.client)
    still = []
    for number in range(3):
        camera = turntable(scene_cameras(field), 3)[number]
        sent: list[bytes | str] = []
        client = engine.join(sent.append)
        engine.hear(client, Look(number, camera.pose, vertical_fov(camera), 800, 600))
        started = time.perf_counter()
        while engine.work(0.0):
            engine.hear(client, Seen())
        still.append(time.perf_counter() - started)
        engine.leave(client)
    yield Figure("a still picture of 800x600, slowest of 3", max(still), "s", 3, True)


def main() -> None:
    """Measure and report."""
    arguments = parser(__doc__)
    arguments.add_argument("scene", nargs="?", default="demo", help="demo, chair, ngp_fox, ...")
    arguments.add_argument("--seconds", type=float, default=60, help="of training")
    args = arguments.parse_args()
    seconds = 10.0 if args.quick else args.seconds
    torch.set_num_threads(1)
    watch = Comparison()
    with tempfile.TemporaryDirectory() as folder, watch:
        plan = Plan(seconds=seconds, report=False)
        out = Path(folder) / "run"
        field = train("instant", scene_path(args.scene), out, plan=plan, onlooker=watch)
        assert isinstance(field, TrainedField)
        report([*watch.figures(), *looking(field, 5 if args.quick else 40)], args)


if __name__ == "__main__":
    main()
