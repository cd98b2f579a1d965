"""One training of a study, in a run folder of its own: it goes on where it was stopped."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from rayfield.core.check import UsageError
from rayfield.studies.study import Report
from rayfield.train import loop
from rayfield.train.lock import locked
from rayfield.train.optim import Adam
from rayfield.train.progress import Budget, Hooks, Progress
from rayfield.train.run import Record, Run, create_run, describe_data, open_run

PROBE = 256  # items drawn to tell one data set from another


@runtime_checkable
class Sampler(Protocol):
    """Where batches come from: of rays or of anything else the method learns from."""

    def sample(self, n: int, *, generator: torch.Generator) -> Any:
        """`n` random items."""


@runtime_checkable
class Method(Protocol):
    """The part of a method module that a trial needs, whatever its batches are."""

    __name__: str

    def batch_size(self, model: Any, cfg: Any) -> int:
        """How many items the next batch should have."""

    def loss(
        self, model: Any, batch: Any, cfg: Any, step: int, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Weighted scalar terms by name; their sum is minimised."""

    def lr_factor(self, cfg: Any, step: int, progress: float) -> float:
        """Factor on every learning rate."""

    def build(self, cfg: Any, *, generator: torch.Generator) -> nn.Module:
        """The untrained model."""

    def param_groups(self, model: Any, cfg: Any) -> list[dict[str, Any]]:
        """Parameters and their rates, as torch's optimisers take them."""


def trial(
    folder: Path,
    method: Method,
    cfg: Any,
    *,
    sampler: Sampler,
    steps: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    report: Report = lambda done, what: None,
) -> nn.Module:
    """The model that `method` learns with `cfg` from the batches of `sampler`.

    Trains in the run folder `folder` for `steps` or `seconds` (one of them, or whichever ends
    first); a trial that was stopped is resumed, one that is finished is only loaded. Raises
    UsageError if the folder holds a trial of something else, and what `train.loop.fit` raises.
    """
    budget = Budget(steps, seconds)
    record = Record(
        method=method.__name__.rpartition(".")[2],
        config=dataclasses.asdict(cfg),
        data=describe_data(
            folder, folder, fingerprint=fingerprint(sampler), splits={}, downscale=1
        ),
        world_from_scene=torch.eye(4).tolist(),
        traits={},
        seed=seed,
        budget={"steps": steps, "seconds": seconds},
    )
    model = method.build(cfg, generator=torch.Generator().manual_seed(seed))
    with locked(folder):
        loop.fit(
            method,
            model,
            cfg,
            sampler=sampler,
            optimiser=Adam(method.param_groups(model, cfg)),
            run=_run(folder, record),
            budget=budget,
            hooks=Hooks(on_step=lambda now: report(*_told(folder.name, budget, now))),
        )
    return model.eval()


def fingerprint(sampler: Sampler) -> str:
    """The sha256 of a first batch: equal for the same data, so that another is noticed."""
    digest = hashlib.sha256()
    parts: list[Any] = [sampler.sample(PROBE, generator=torch.Generator().manual_seed(0))]
    while parts:
        value = parts.pop()
        if isinstance(value, Tensor):
            digest.update(value.detach().contiguous().cpu().numpy().tobytes())
        elif isinstance(value, tuple | list):
            parts.extend(value)
        else:
            digest.update(repr(value).encode())
    return digest.hexdigest()


def _run(folder: Path, record: Record) -> Run:
    """The trial's run, new or found. Raises UsageError if it is another's."""
    if not (folder / "run.json").exists():
        return create_run(folder, record)
    run = open_run(folder)
    asked, held = (_essence(r) for r in (record, run.record))
    if asked != held:
        differs = next(key for key in asked if asked[key] != held[key])
        raise UsageError(
            f"{folder}: holds a trial with another {differs}; choose another folder with -o, or "
            "delete this one"
        )
    return run


def _essence(record: Record) -> dict[str, Any]:
    """What makes a trial this one, as JSON gives it back."""
    config = {k: list(v) if isinstance(v, tuple) else v for k, v in record["config"].items()}
    return {
        "method": record["method"],
        "config": config,
        "data": record["data"]["fingerprint"],
        "seed": record["seed"],
        "budget": record["budget"],
    }


def _told(name: str, budget: Budget, now: Progress) -> tuple[float, str]:
    """The part of a training that is done, and where it is."""
    quality = "" if now.psnr is None else f", {now.psnr:.1f} dB"
    return budget.progress(now.step, now.seconds), f"{name}: step {now.step:,}{quality}"
