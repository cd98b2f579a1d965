"""The records of a training: how long, where it is, and what it shows and calls on its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from rayfield.core.check import UsageError

MOST_STEPS = 2**32  # every step below has its own random stream


@dataclass(frozen=True)
class Budget:
    """How long to train: a number of steps, seconds of training, or whichever ends first.

    `checkpoint_seconds`: wall time between checkpoints, the most work a kill can lose.
    Raises UsageError on values out of range.
    """

    steps: int | None
    seconds: float | None = None
    checkpoint_seconds: float = 30.0

    def __post_init__(self) -> None:
        if self.steps is None and self.seconds is None:
            raise UsageError("training needs a number of steps or of seconds")
        if self.steps is not None and not 1 <= self.steps <= MOST_STEPS:
            raise UsageError(f"steps must be from 1 to {MOST_STEPS}, not {self.steps}")
        if self.seconds is not None and not 0 < self.seconds < float("inf"):
            raise UsageError(f"seconds must be positive and finite, not {self.seconds}")

    def is_spent(self, step: int, seconds: float) -> bool:
        """Whether training ends after `step` steps that took `seconds`."""
        out_of_steps = self.steps is not None and step >= self.steps
        return out_of_steps or (self.seconds is not None and seconds >= self.seconds)

    def progress(self, step: int, seconds: float) -> float:
        """The part of the budget used, in [0, 1]: of what ends first."""
        used = [] if self.seconds is None else [seconds / self.seconds]
        used += [] if self.steps is None else [step / self.steps]
        return min(max(used), 1.0)

    def pace(self, step: int, seconds: float) -> int | None:
        """The steps that the whole budget allows at the pace so far; None if not yet known."""
        progress = self.progress(step, seconds)
        return round(step / progress) if progress > 0 and step > 0 else self.steps

    def remaining(self, step: int, seconds: float, seconds_per_step: float) -> float:
        """Seconds of training to come, at this pace."""
        ends = []
        if self.steps is not None:
            ends.append((self.steps - step) * seconds_per_step)
        if self.seconds is not None:
            ends.append(self.seconds - seconds)
        return max(min(ends), 0.0)


@dataclass
class State:
    """Where a training is; with the model's and the optimiser's tensors, all that resuming needs.

    `step`: steps done. `seconds`: spent in them. `wall`: the same with previews, checkpoints and
    all else. `backoff`: factor on the learning rate. `good`, `bad`: steps in a row of that kind.
    `born`: the step at which the weights were last drawn, after `restarts` times of doing it anew.
    """

    step: int = 0
    seconds: float = 0.0
    wall: float = 0.0
    backoff: float = 1.0
    good: int = 0
    bad: int = 0
    born: int = 0
    restarts: int = 0

    @property
    def age(self) -> int:
        """Steps done with these weights."""
        return self.step - self.born


class Progress(NamedTuple):
    """What a progress display may show. Rates are per second of training, since the last report.

    `psnr`: of the batch, in dB, where the method has a loss term named "mse". `lr_factor`
    includes the rate backed off after bad steps.
    """

    step: int
    steps: int | None
    seconds: float
    budget_seconds: float | None
    eta_seconds: float
    wall_seconds: float
    terms: dict[str, float]
    psnr: float | None
    rays_per_second: float
    samples_per_second: float | None
    lr_factor: float


class Outcome(NamedTuple):
    """How a training ended: steps done, seconds spent in them, and on the clock."""

    step: int
    seconds: float
    wall_seconds: float


def _ignore(*_: Any) -> None:
    """Do nothing."""


def _never(step: int, seconds: float) -> bool:
    return False


@dataclass(frozen=True)
class Hooks:
    """What the loop calls between steps; none of it counts as training time.

    `on_step(progress)`: at most five times a second, and after the last step.
    `preview(step, seconds)`: whenever `preview_at(step, seconds)` says so, after a step.
    `between(asked)`: after every step; it may take its time, until `asked()` tells that training is
    to stop.
    `samples_per_ray()`: field evaluations per ray of the last batch, for the rates shown.
    """

    on_step: Callable[[Progress], None] = _ignore
    preview_at: Callable[[int, float], bool] = _never
    preview: Callable[[int, float], None] = _ignore
    between: Callable[[Callable[[], bool]], None] = _ignore
    samples_per_ray: Callable[[], float] | None = None
