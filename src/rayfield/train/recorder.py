"""What happens between the steps of a training: display, log, previews, checkpoints.

None of it may stop the training: a full disk is a warning now and an error at the end.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import shlex
import time
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from rayfield.core.check import RayfieldError
from rayfield.train import checkpoint, guard
from rayfield.train.log import Log
from rayfield.train.progress import Budget, Hooks, Progress, State
from rayfield.train.run import Run

REPORT_SECONDS = 0.2
LOG_SPACING = 0.002  # of the training time so far: some thousand lines for each tenfold of it
_log = logging.getLogger("rayfield")


@runtime_checkable
class Optimiser(Protocol):
    """What the loop asks of an optimiser."""

    def step(self, factor: float) -> None:
        """Update the parameters, every learning rate times `factor`; clear the gradients."""

    def zero_grad(self) -> None:
        """Clear the gradients of a step that is left out."""

    def reset(self) -> None:
        """Forget all steps, for weights that were drawn anew; clear the gradients."""

    def state_tensors(self) -> dict[str, Tensor]:
        """Its whole state as tensors by name, with the same names and shapes from the start."""

    def load_state_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take over tensors that `state_tensors` gave."""


class SaveError(RayfieldError):
    """Training went to its end, but not everything could be written."""


class Recorder:
    """Shows and writes down a training that starts from `state`; a context that closes the log."""

    def __init__(
        self,
        run: Run,
        model: nn.Module,
        optimiser: Optimiser,
        *,
        budget: Budget,
        hooks: Hooks,
        state: State,
    ) -> None:
        self._run, self._model, self._optimiser = run, model, optimiser
        self._budget, self._hooks = budget, hooks
        self._problem = ""
        self._saved = state.step
        now = time.perf_counter()
        self._epoch = now - state.wall
        self._next_save = now + budget.checkpoint_seconds
        self._next_report = self._next_line = now
        self._rays, self._reported = 0, dataclasses.replace(state)
        self._lines: Log | None = None
        with self._tolerate("the log could not be written"):
            self._lines = Log(run.log, state.step)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lines is not None:
            self._lines.close()

    def after_step(
        self, state: State, terms: dict[str, Tensor], *, rays: int, lr_factor: float
    ) -> None:
        """Do what is due after a step of `rays` rays. Raises DivergenceError as `save` does."""
        self._rays += rays
        if time.perf_counter() >= self._next_report or self._budget.is_spent(
            state.step, state.seconds
        ):
            self._report(state, self._measure(state, terms, lr_factor))
        if self._hooks.preview_at(state.step, state.seconds):
            with self._tolerate(f"the preview of step {state.step} could not be written"):
                self._hooks.preview(state.step, state.seconds)
        if time.perf_counter() >= self._next_save and state.bad == 0:
            self.save(state)

    def skipped(self, state: State, culprit: str) -> None:
        """Warn and log that the step before `state.step` was left out because of `culprit`.

        Raises DivergenceError if it was one of too many in a row.
        """
        _log.warning(
            "step %d skipped: the %s is not finite; learning rate times %.3g",
            state.step - 1,
            culprit,
            state.backoff,
        )
        self._append({"step": state.step, "skipped": culprit, "backoff": state.backoff})
        if state.bad >= guard.PATIENCE:
            raise guard.DivergenceError(
                f"the {culprit} was not finite for {state.bad} steps in a row"
            )

    def restarted(self, state: State, seed: int) -> None:
        """Warn and log that the field showed nothing and has the weights of another seed now."""
        _log.warning(
            "step %d: the field shows one colour everywhere; it begins anew, with the weights of "
            "seed %d",
            state.step,
            seed,
        )
        self._append({"step": state.step, "restarted": state.restarts, "seed": seed})

    def save(self, state: State) -> None:
        """Write a checkpoint of `state` unless there is one; a failure is noted for `finish`.

        Raises DivergenceError, writing nothing, if the model is not finite.
        """
        self._next_save = time.perf_counter() + self._budget.checkpoint_seconds
        if state.step == self._saved:
            return
        if culprit := guard.bad_tensor(self._model):
            raise guard.DivergenceError(f"the {culprit} is not finite at step {state.step}")
        state.wall = time.perf_counter() - self._epoch
        with self._tolerate(f"the checkpoint of step {state.step} could not be written"):
            checkpoint.save(
                self._run,
                state.step,
                self._model.state_dict(),
                optim_tensors=self._optimiser.state_tensors(),
                state=dataclasses.asdict(state),
            )
            self._saved = state.step

    def finish(self, state: State) -> None:
        """Save the last checkpoint. Raises SaveError if anything could not be written."""
        self.save(state)
        if self._problem:
            path = self._run.path
            saved = "all that was learned is saved"
            if self._saved < state.step:
                saved = f"saved up to step {self._saved}; free space and continue with: "
                saved += f"rayfield resume {shlex.quote(str(path))}"
            raise SaveError(f"{path}: {self._problem}; {saved}")

    def _measure(self, state: State, terms: dict[str, Tensor], lr_factor: float) -> Progress:
        since = max(state.seconds - self._reported.seconds, 1e-9)
        pace = since / max(state.step - self._reported.step, 1)
        rays_per_second = self._rays / since
        self._rays, self._reported = 0, dataclasses.replace(state)
        values = {name: float(term.detach()) for name, term in terms.items()}
        mse = values.get("mse", 0.0)
        per_ray = self._hooks.samples_per_ray
        state.wall = time.perf_counter() - self._epoch
        return Progress(
            step=state.step,
            steps=self._budget.steps,
            seconds=state.seconds,
            budget_seconds=self._budget.seconds,
            eta_seconds=self._budget.remaining(state.step, state.seconds, pace),
            wall_seconds=state.wall,
            terms=values,
            psnr=-10.0 * math.log10(mse) if mse > 0 else None,
            rays_per_second=rays_per_second,
            samples_per_second=None if per_ray is None else rays_per_second * per_ray(),
            lr_factor=lr_factor,
        )

    def _report(self, state: State, progress: Progress) -> None:
        now = time.perf_counter()
        self._next_report = now + REPORT_SECONDS
        if now >= self._next_line or self._budget.is_spent(state.step, state.seconds):
            self._next_line = now + LOG_SPACING * state.seconds
            plans = ("steps", "budget_seconds", "eta_seconds")
            line = progress._asdict()
            self._append({key: value for key, value in line.items() if key not in plans})
        with contextlib.suppress(OSError):  # the terminal is gone; the training is still wanted
            self._hooks.on_step(progress)

    def _append(self, line: dict[str, object]) -> None:
        if self._lines is not None:
            with self._tolerate("the log could not be written"):
                self._lines.append(line)

    @contextlib.contextmanager
    def _tolerate(self, what: str) -> Iterator[None]:
        """Go on where disk or memory fails: warn, once for each kind of event, and remember it."""
        try:
            yield
        except (OSError, MemoryError) as error:
            reason = "out of memory" if isinstance(error, MemoryError) else error.strerror or error
            problem = f"{what} ({reason})"
            if problem != self._problem:
                _log.warning("%s: %s; training goes on", self._run.path, problem)
            self._problem = problem
