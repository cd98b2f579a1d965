"""Training a method on its data, and continuing it: the verbs `train` and `resume`."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rayfield.app.catalogue import find_method, load_method, suggestion
from rayfield.app.command.display import Display, Quiet
from rayfield.app.constructed import construct, reconstruct
from rayfield.app.contract import Method
from rayfield.app.learned.field import method_named
from rayfield.app.learned.opened import Learned, open_learned
from rayfield.app.learned.restoring import Restored
from rayfield.app.onlooker import NOBODY, Onlooker
from rayfield.app.plan import Plan, asked_of, reading
from rayfield.app.prepare import kernels_for, preparing
from rayfield.app.report.after import after_training
from rayfield.app.settings import apply_settings, config_from_json
from rayfield.app.sources.clouds import open_points
from rayfield.app.sources.photos import (
    Photos,
    check_unchanged,
    in_frame_of,
    open_photos,
)
from rayfield.app.sources.pictures import open_picture, open_samples
from rayfield.app.sources.scene_class import open_scenes
from rayfield.app.sources.shape_class import open_shapes
from rayfield.app.sources.source import Source
from rayfield.app.sources.target import open_target
from rayfield.core.check import UsageError
from rayfield.train.lock import locked
from rayfield.train.loop import fit
from rayfield.train.optim import Adam
from rayfield.train.progress import Budget, Hooks, Progress
from rayfield.train.run import Record, check_folder, create_run, open_run

READERS: dict[str, Callable[..., Source]] = {
    "photos": open_photos,
    "scenes": open_scenes,
    "samples": open_samples,
    "picture": open_picture,
    "points": open_points,
    "target": open_target,
    "shapes": open_shapes,
}


def train(
    method: str,
    data: Path | str,
    out: Path | str,
    *,
    plan: Plan,
    display: Display | None = None,
    onlooker: Onlooker = NOBODY,
) -> Learned:
    """Train a method on its data into the new run folder `out`; what it learned.

    Raises UsageError, DataError and RayfieldError as their names say, Interrupted (saved) on
    Ctrl-C.
    """
    display = display or Quiet()
    out, started = Path(out), time.perf_counter()
    entry, module = find_method(method), load_method(method)
    start = apply_settings(_preset(method, module, plan.preset), plan.settings)
    if not 0 <= plan.seed < 2**63:
        raise UsageError(f"seed {plan.seed} is out of range; give one from 0 to 2**63 - 1")
    check_folder(out)
    if entry.learns == "solid":
        construct(method, module, start, data=Path(data), out=out, plan=plan, display=display)
        return _reported(out, None, display) if plan.report else open_learned(out)
    chosen = method_named(method)
    _budget(plan.steps, plan.seconds, start)
    with preparing(display, kernels=kernels_for(entry, start)):
        how = reading(entry.learns, plan.downscale, plan.asked)
        source = READERS[entry.learns](Path(data), cfg=start, **how)
        for line in source.lines():
            display.note(line)
        cfg = apply_settings(chosen.adapt(start, source.traits), plan.settings)
        sampler = source.sampler  # all photos are decoded here, once everything fits together
    budget = _budget(plan.steps, plan.seconds, cfg)
    model = _built(chosen, cfg, plan.seed)  # what cannot be built leaves no run behind
    with locked(out):
        origin = source.origin(out)
        record = Record(
            method=method,
            config=dataclasses.asdict(cfg),
            data={**origin.data, **plan.asked},
            world_from_scene=origin.world_from_scene,
            traits=origin.traits,
            seed=plan.seed,
            budget={"steps": budget.steps, "seconds": budget.seconds},
            asked={"preset": plan.preset, "settings": [*plan.settings]},
            prepared=time.perf_counter() - started,
        )
        run = create_run(out, record)
        source.keep(run)
        learner = Restored(run, chosen, cfg, model, 0)
        _fit(learner, source=source, sampler=sampler, display=display, onlooker=onlooker)
    return _reported(out, source, display) if plan.report else open_learned(out)


def resume(
    path: Path | str,
    *,
    report: bool = True,
    display: Display | None = None,
    onlooker: Onlooker = NOBODY,
) -> Learned:
    """Go on with a run that was stopped, to the end of the budget it was given; then write a page
    about it, if `report`.

    Raises DataError if the data is not what the run was trained on.
    """
    display = display or Quiet()
    run = open_run(Path(path))
    name = run.record["method"]
    entry, module = find_method(name), load_method(name)
    cfg: Any = config_from_json(module.Config, run.record["config"], run.path / "run.json")
    if entry.learns == "solid":
        reconstruct(run, module, cfg, display=display)
        return open_learned(run.path)
    chosen = method_named(name)
    with locked(run.path):  # a second process is refused before it loads anything
        with preparing(display, kernels=kernels_for(entry, cfg)):
            root, downscale = run.find_data(), run.record["data"]["downscale"]
            how = reading(entry.learns, downscale, asked_of(run))
            source = READERS[entry.learns](root, cfg=cfg, **how)
            check_unchanged(run, root, source.origin(run.path).data["fingerprint"])
            if isinstance(source, Photos):
                source.scene = in_frame_of(run, source.scene)
            sampler = source.sampler
        model = _built(chosen, cfg, run.record["seed"])
        learner = Restored(run, chosen, cfg, model, 0)
        _fit(learner, source=source, sampler=sampler, display=display, onlooker=onlooker)
    return _reported(run.path, source, display) if report else open_learned(run.path)


def _reported(path: Path, source: Source | None, display: Display) -> Learned:
    """What a run has learned, after a page about it is written."""
    learned = open_learned(path)
    after_training(learned, source, display)
    return learned


def _preset(name: str, method: Any, preset: str | None) -> Any:
    if preset is None:
        return method.Config()
    if preset not in method.PRESETS:
        raise UsageError(
            f"{name} has no preset {preset!r}{suggestion(preset, list(method.PRESETS))}"
        )
    return method.PRESETS[preset]


def _budget(steps: int | None, seconds: float | None, cfg: Any) -> Budget:
    if steps is None and seconds is None:
        steps = cfg.steps
    return Budget(steps, seconds)


def _built(method: Method, cfg: Any, seed: int) -> nn.Module:
    """The untrained model. Raises UsageError for a Config that makes none."""
    try:
        return method.build(cfg, generator=torch.Generator().manual_seed(seed))
    except ValueError as error:
        raise UsageError(f"--set: {error}") from None


def _fit(
    learner: Restored, *, source: Source, sampler: Any, display: Display, onlooker: Onlooker
) -> None:
    run, method, cfg, model, _ = learner
    preview = source.preview(run, method, model, cfg=cfg, display=display)
    onlooker.begin(learner, source)

    def report(progress: Progress) -> None:
        display.step(progress)
        onlooker.step(progress)

    hooks = Hooks(report, preview.due, preview.take, onlooker.between)
    budget = Budget(run.record["budget"].get("steps"), run.record["budget"].get("seconds"))
    try:
        outcome = fit(
            method,
            model,
            cfg,
            sampler=sampler,
            optimiser=Adam(method.param_groups(model, cfg)),
            run=run,
            budget=budget,
            hooks=hooks,
        )
    finally:
        display.close()
    display.note(
        f"trained {outcome.step:,} steps in {outcome.seconds:.1f} s "
        f"({outcome.wall_seconds:.1f} s with previews and checkpoints)"
    )
    preview.finish(outcome.step, outcome.seconds)
