"""The training loop.

Every step draws its randomness from (seed, step) alone. So a training that is stopped and resumed
computes, bit for bit on a CPU, what it would have computed in one go (with a budget of steps; one
of seconds ties the schedules to the clock).
"""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from rayfield.core.check import DataError
from rayfield.core.types import RayBatch
from rayfield.train import checkpoint, guard
from rayfield.train.collapse import Watch
from rayfield.train.interrupt import Interrupted, Interrupts
from rayfield.train.progress import Budget, Hooks, Outcome, State
from rayfield.train.recorder import Optimiser, Recorder
from rayfield.train.run import Run

QUIET = Hooks()


@runtime_checkable
class Method(Protocol):
    """The part of a method (a module or any object) that training needs."""

    def batch_size(self, model: Any, cfg: Any) -> int:
        """How many rays the next batch should have."""

    def loss(
        self, model: Any, batch: RayBatch, cfg: Any, step: int, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Weighted scalar terms by name; their sum is minimised."""

    def lr_factor(self, cfg: Any, step: int, progress: float) -> float:
        """Factor on every learning rate; `progress` in [0, 1] is the part of the budget used."""


@runtime_checkable
class Sampler(Protocol):
    """Where batches come from."""

    def sample(self, n: int, *, generator: torch.Generator) -> RayBatch:
        """`n` random training rays."""


def fit(
    method: Method,
    model: nn.Module,
    cfg: Any,
    *,
    sampler: Sampler,
    optimiser: Optimiser,
    run: Run,
    budget: Budget,
    hooks: Hooks = QUIET,
) -> Outcome:
    """Train `model` until the budget is spent, from the newest checkpoint of `run` if it has one.

    The caller holds the lock of the run, and gives a model and an optimiser built from the config
    and seed in `run.record`. Schedules in parts of `cfg.steps` follow the budget, whatever it is
    counted in: the method is given a config whose `steps` are those that the budget will allow.
    A step whose loss or gradient is not finite is left out and the learning rate halved; a field
    that shows nothing begins anew (collapse.py). Checkpoints are written every
    `budget.checkpoint_seconds` and at the end.

    Raises Interrupted after SIGINT, SIGTERM or SIGHUP (saved); DivergenceError after three bad
    steps in a row (model and optimiser are then back at the last checkpoint); CollapseError if
    the field shows nothing from any beginning; SaveError at the
    end if something could not be written; DataError if the checkpoints cannot be used.
    """
    state = restore(run, model, optimiser)
    checkpoint.clean_leftovers(run, state.step)
    parameters = dict(model.named_parameters())
    generator = torch.Generator()
    recorder = Recorder(run, model, optimiser, budget=budget, hooks=hooks, state=state)
    watch = Watch(method, model, cfg, sampler=sampler, optimiser=optimiser, run=run)
    with Interrupts() as interrupts, recorder, _rolling_back(run, model, optimiser):
        while not (budget.is_spent(state.step, state.seconds) or interrupts.requested):
            started = time.perf_counter()
            generator.manual_seed(step_seed(run.record["seed"], state.step))
            paced = _paced(cfg, budget, state)
            progress = budget.progress(state.step, state.seconds)
            lr_factor = method.lr_factor(paced, state.age, progress) * state.backoff
            rays = method.batch_size(model, paced)
            batch = sampler.sample(rays, generator=generator)
            terms = method.loss(model, batch, paced, state.age, generator=generator)
            total = torch.stack(list(terms.values())).sum()
            culprit = guard.bad_term(terms, total.item())
            if culprit is None:
                total.backward()
                culprit = guard.bad_gradient(parameters, state.step)
            if culprit is None:
                optimiser.step(lr_factor)
            else:
                optimiser.zero_grad()
            guard.count_step(state, culprit)
            begun_anew = watch.look(state)
            state.seconds += time.perf_counter() - started
            if culprit is not None:
                recorder.skipped(state, culprit)
            if begun_anew:
                recorder.restarted(state, watch.seed(state))
            recorder.after_step(state, terms, rays=rays, lr_factor=lr_factor)
            hooks.between(interrupts.asked)
        recorder.finish(state)
        if interrupts.requested:
            again = f"rayfield resume {shlex.quote(str(run.path))}"
            raise Interrupted(f"stopped at step {state.step}, saved; continue with: {again}")
    return Outcome(state.step, state.seconds, state.wall)


def step_seed(seed: int, step: int) -> int:
    """The seed of one step's generator, in [0, 2^32): different for every step of a training.

    The CPU generator uses 32 bits of its seed; the finaliser of MurmurHash3 permutes them.
    """
    return _mix(_mix(seed & 0xFFFFFFFF) ^ _mix(seed >> 32 & 0xFFFFFFFF ^ 0x9E3779B9) ^ step)


def restore(run: Run, model: nn.Module, optimiser: Optimiser) -> State:
    """Bring model and optimiser to the newest checkpoint; where training then is.

    Without a checkpoint nothing is touched. Raises DataError if none of them can be used.
    """
    latest = checkpoint.load_latest(run)
    if latest is None:
        return State()
    file = latest.path / "state.json"
    try:
        found = {**_LATER, **latest.state}
        state = State(**{key: kind(found[key]) for key, kind in _STATE_TYPES.items()})
    except (KeyError, TypeError, ValueError, OverflowError):
        raise DataError(file, "is not a training state", checkpoint.FIX) from None
    moments = latest.path / "optim.safetensors"
    checkpoint.check_tensors(moments, latest.optim, optimiser.state_tensors())
    checkpoint.restore_model(model, latest)
    optimiser.load_state_tensors(latest.optim)
    return state


_STATE_TYPES = {
    "step": int,
    "seconds": float,
    "wall": float,
    "backoff": float,
    "good": int,
    "bad": int,
    "born": int,
    "restarts": int,
}
_LATER = {"born": 0, "restarts": 0}  # what checkpoints of earlier versions lack


def _paced(cfg: Any, budget: Budget, state: State) -> Any:
    """The config with the steps that the budget will have allowed the present weights."""
    steps = budget.pace(state.step, state.seconds) or cfg.steps
    return replace(cfg, steps=max(steps - state.born, 1))


@contextlib.contextmanager
def _rolling_back(run: Run, model: nn.Module, optimiser: Optimiser) -> Iterator[None]:
    """On DivergenceError, leave model and optimiser at the last checkpoint, and say so."""
    try:
        yield
    except guard.DivergenceError as error:
        step = restore(run, model, optimiser).step
        back = f"back at the checkpoint of step {step}" if step else "nothing was saved yet"
        advice = "try another --seed, or a lower learning rate with --set"
        raise guard.DivergenceError(f"{run.path}: {error}; {back}; {advice}") from None


def _mix(value: int) -> int:
    value = (value ^ value >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    value = (value ^ value >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return value ^ value >> 16
