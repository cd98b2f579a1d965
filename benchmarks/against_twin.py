"""Seconds of training to 25 dB on the chair: the compiled engine beside its eager twin.

Same method, seed, schedule and batches; for the twin `RadianceField.compiled` says that there is no
compiled form, so that every step runs render_readable and automatic differentiation with all of
torch's threads (only Adam and the occupancy bits stay compiled, in the twin's favour). PSNR is
the mean over 4 test views every few steps, clock stopped, rendered by the engine for both. The
twin is given up after `--cap` seconds of training; the ratio is then a lower bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from common import Figure, Training, load, parser, report

from rayfield.app.prepare import prepare
from rayfield.data.pixels import PixelSampler
from rayfield.data.scene import Scene
from rayfield.fields.radiance import RadianceField
from rayfield.kernels.pool import available_cores

VIEWS = 4


@contextmanager
def eager() -> Iterator[None]:
    """Within it, fields have no compiled form, and torch has all threads."""
    original = RadianceField.compiled
    RadianceField.compiled = lambda _: None  # type: ignore[method-assign]
    torch.set_num_threads(available_cores())
    try:
        yield
    finally:
        RadianceField.compiled = original  # type: ignore[method-assign]
        torch.set_num_threads(1)


class Race:
    """One contender: it trains until it is as good as asked, or out of time."""

    def __init__(self, scene: Scene, sampler: PixelSampler, *, twin: bool) -> None:
        self.training = Training(scene, sampler)
        self.twin = twin
        frames = scene.split("test")
        self.frames = frames[:: max(1, len(frames) // VIEWS)][:VIEWS]
        self.psnr = 0.0

    def run(self, level: float, cap: float, every: int) -> bool:
        """Whether the level was reached within `cap` seconds of training."""
        name = "twin" if self.twin else "engine"
        while self.psnr < level and self.training.seconds < cap:
            self._steps(every, cap)
            self.psnr, _ = self.training.evaluate(self.frames)
            seconds, step = self.training.seconds, self.training.steps
            print(f"{name:>7} {seconds:7.1f} s  step {step:5d}  {self.psnr:.2f} dB", flush=True)
        return self.psnr >= level

    def _steps(self, count: int, cap: float) -> None:
        if not self.twin:
            torch.set_num_threads(1)
            for _ in range(count):
                self.training.step()
            return
        with eager():
            for _ in range(count):
                if self.training.seconds < cap:
                    self.training.step()


def main() -> None:
    """Measure and report."""
    arguments = parser(__doc__)
    arguments.add_argument("--level", type=float, default=25.0, help="dB to reach")
    arguments.add_argument("--cap", type=float, default=300.0, help="seconds for the twin")
    arguments.add_argument("--every", type=int, default=20, help="steps between measurements")
    args = arguments.parse_args()
    torch.set_num_threads(1)
    prepare()
    scene, sampler, _ = load("demo" if args.quick else "chair")
    level, cap, every = (5.0, 2.0, 3) if args.quick else (args.level, args.cap, args.every)
    engine, twin = (Race(scene, sampler, twin=x) for x in (False, True))
    done = engine.run(level, cap, every)
    there = twin.run(level, cap, every) if done else False
    fast, slow = engine.training, twin.training
    bound = "" if there else " (at least: the twin was given up)"
    ratio = slow.seconds / fast.seconds if done else None
    steps = (fast.seconds / fast.steps, slow.seconds / max(slow.steps, 1))
    found = [
        Figure(f"compiled engine to {level:g} dB", fast.seconds if done else None, "s"),
        Figure(f"eager twin to {level:g} dB", slow.seconds if there else None, "s"),
        Figure(f"less time{bound}", ratio, "x", 12),
        Figure("compiled engine, milliseconds a step", 1e3 * steps[0], "ms"),
        Figure("eager twin, milliseconds a step", 1e3 * steps[1], "ms"),
        Figure("PSNR of the twin when it ended", twin.psnr, "dB"),
    ]
    report(found, args, bound=not there)


if __name__ == "__main__":
    main()
