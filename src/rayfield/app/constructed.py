"""Runs of methods that are computed, not trained: `train` and `resume` of them."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import torch

from rayfield.app.command.display import Display
from rayfield.app.sources.photos import check_unchanged
from rayfield.core.check import UsageError
from rayfield.data.solid import Solid, read_solid
from rayfield.train import checkpoint
from rayfield.train.lock import locked
from rayfield.train.log import Log
from rayfield.train.run import Record, Run, create_run, describe_data


def construct(
    name: str, method: Any, cfg: Any, *, data: Path, out: Path, plan: Any, display: Display
) -> None:
    """Compute the network of the mesh in a file into the new run folder `out`.

    Raises UsageError for a budget, which it needs not, and what reading and computing raise.
    """
    if plan.steps is not None or plan.seconds is not None or plan.downscale != 1:
        raise UsageError(
            f"{name} is computed, not trained; leave out --steps, --seconds and --downscale"
        )
    started = time.perf_counter()
    solid = read_solid(data, cfg.faces, drop_invalid=plan.drop_invalid)
    notes = [f"  note: {note}" for note in method.remarks(cfg, solid.polyhedron)]
    for line in [*_lines(solid), *notes]:
        display.note(line)
    with locked(out):
        model, cfg = _compute(method, cfg, solid, seed=plan.seed, display=display)
        record = Record(
            method=name,
            config=dataclasses.asdict(cfg),
            data={
                **describe_data(
                    solid.path,
                    out,
                    fingerprint=solid.fingerprint,
                    splits={"faces": len(solid.mesh.faces)},
                    downscale=1,
                ),
                "drop_invalid": plan.drop_invalid,
            },
            world_from_scene=solid.world_from_scene.tolist(),
            traits=solid.traits._asdict(),
            seed=plan.seed,
            budget={"steps": 1, "seconds": None},
            asked={"preset": plan.preset, "settings": [*plan.settings]},
        )
        run = create_run(out, record)
        _save(run, model, time.perf_counter() - started)
    hidden, weights = sum(cfg.units[1:-1]), sum(cfg.weights)
    display.note(
        f"computed in {time.perf_counter() - started:.1f} s: {len(cfg.units) - 2} hidden layers, "
        f"{hidden:,} units, {weights:,} weights that are not zero"
    )


def reconstruct(run: Run, method: Any, cfg: Any, *, display: Display) -> None:
    """Compute the network of a run again if it was stopped before it was saved.

    Raises DataError if the mesh is gone or has changed.
    """
    if checkpoint.load_latest(run) is not None:
        display.note(f"{run.path}: computed in full; there is nothing to resume")
        return
    started = time.perf_counter()
    solid = read_solid(run.find_data(), cfg.faces, drop_invalid=run.drop_invalid)
    check_unchanged(run, solid.path, solid.fingerprint)
    with locked(run.path):
        model, _ = _compute(method, cfg, solid, seed=run.record["seed"], display=display)
        _save(run, model, time.perf_counter() - started)


def _compute(
    method: Any, cfg: Any, solid: Solid, *, seed: int, display: Display
) -> tuple[torch.nn.Module, Any]:
    try:
        return method.construct(
            cfg,
            solid.polyhedron,
            generator=torch.Generator().manual_seed(seed),
            report=lambda done, what: display.task("computing", done, what),
        )
    finally:
        display.close()


def _save(run: Run, model: torch.nn.Module, seconds: float) -> None:
    """The checkpoint, as the only step of the run, and a line of its log."""
    state = {"seconds": seconds, "wall": seconds}
    checkpoint.save(run, 1, model.state_dict(), optim_tensors={}, state=state)
    log = Log(run.log, 0)
    log.append({"step": 1, "seconds": seconds, "wall_seconds": seconds, "terms": {}, "psnr": None})
    log.close()


def _lines(solid: Solid) -> list[str]:
    """What was found, in a few lines."""
    traits = solid.traits
    size = f"closed mesh of {traits.faces:,} faces in {traits.planes:,} planes"
    return [f"{solid.path}: {size}", *(f"  note: {note}" for note in solid.notes)]
