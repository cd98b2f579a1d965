"""Training a method on a data set, and continuing it: the verbs `train` and `resume`."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from rayfield.app import cameras as cams
from rayfield.app.display import Display, Quiet
from rayfield.app.field import CAMERAS, Method, TrainedField, method_named, open_field
from rayfield.app.prepare import prepare
from rayfield.app.preview import Preview
from rayfield.app.settings import apply_settings, config_from_json
from rayfield.core.check import DataError, UsageError
from rayfield.data.load import load_scene
from rayfield.data.pixels import PixelSampler
from rayfield.data.scene import Scene
from rayfield.train.lock import locked
from rayfield.train.loop import fit
from rayfield.train.optim import Adam
from rayfield.train.progress import Budget, Hooks
from rayfield.train.run import Record, Run, check_folder, create_run, describe_data, open_run

SLOW_PREPARATION = 1.0  # seconds; from here on it is worth a remark


@dataclasses.dataclass(frozen=True)
class Plan:
    """What `train` may be asked for beside method and data.

    `steps`, `seconds`: the budget of training, whichever ends first; neither: the method's own.
    `settings`: texts `field=value` for the method's Config.
    """

    steps: int | None = None
    seconds: float | None = None
    downscale: int = 1
    seed: int = 0
    settings: tuple[str, ...] = ()


def train(
    method: str, data: Path | str, out: Path | str, *, plan: Plan, display: Display | None = None
) -> TrainedField:
    """Train a method on a data set into the new run folder `out`; the trained field.

    Raises UsageError, DataError and RayfieldError as their names say, Interrupted (saved) on
    Ctrl-C.
    """
    display = display or Quiet()
    out = Path(out)
    chosen = method_named(method)
    cfg = apply_settings(chosen.Config(), plan.settings)
    if not 0 <= plan.seed < 2**63:
        raise UsageError(f"seed {plan.seed} is out of range; give one from 0 to 2**63 - 1")
    _budget(plan.steps, plan.seconds, cfg)
    check_folder(out)
    with _preparing(display):
        scene = load_scene(Path(data), downscale=plan.downscale)
        for line in describe_scene(scene):
            display.note(line)
        sampler = PixelSampler(scene)
    cfg = apply_settings(chosen.adapt(cfg, scene.traits), plan.settings)
    budget = _budget(plan.steps, plan.seconds, cfg)
    with locked(out):
        run = create_run(out, _record(method, cfg, scene, plan=plan, budget=budget, out=out))
        cams.save_cameras(run.path / CAMERAS, cams.of_scene(scene))
        _fit(run, chosen, cfg, scene=scene, sampler=sampler, display=display)
    return open_field(out)


def resume(path: Path | str, *, display: Display | None = None) -> TrainedField:
    """Go on with a run that was stopped, to the end of the budget it was given.

    Raises DataError if the data is not what the run was trained on.
    """
    display = display or Quiet()
    run = open_run(Path(path))
    chosen = method_named(run.record["method"])
    cfg: Any = config_from_json(chosen.Config, run.record["config"], run.path / "run.json")
    with _preparing(display):
        scene = scene_of(run)
        sampler = PixelSampler(scene)
    with locked(run.path):
        _fit(run, chosen, cfg, scene=scene, sampler=sampler, display=display)
    return open_field(run.path)


def scene_of(run: Run) -> Scene:
    """The data of a run, read anew. Raises DataError if it is gone or has changed."""
    data = run.record["data"]
    scene = load_scene(run.find_data(), downscale=data["downscale"])
    if scene.fingerprint != data["fingerprint"]:
        what = f"differs from the data that {run.path} was trained on"
        raise DataError(scene.root, what, "bring the photos and poses back, or train anew")
    return scene


def describe_scene(scene: Scene) -> list[str]:
    """What was found in a data set, in a few lines."""
    sizes = sorted({(f.camera.width, f.camera.height) for f in scene.frames})
    shown = ", ".join(f"{w}x{h}" for w, h in sizes[:3]) + (" ..." if len(sizes) > 3 else "")
    counts = [f"{len(scene.split(s))} {s}" for s in ("train", "val", "test") if scene.split(s)]
    unit = cams.scale_of(scene.world_from_scene)
    extent = (
        f"cut-out subject in a cube of side {2 * unit:.3g}"
        if scene.traits.bounded
        else f"whole scene, cameras within {unit:.3g} of its centre"
    )
    head = f"{scene.root}: {scene.format}, {' + '.join(counts)} images of {shown}; {extent}"
    return [head, *(f"  note: {note}" for note in scene.notes)]


def _budget(steps: int | None, seconds: float | None, cfg: Any) -> Budget:
    if steps is None and seconds is None:
        steps = cfg.steps
    return Budget(steps, seconds)


def _record(
    method: str, cfg: Any, scene: Scene, *, plan: Plan, budget: Budget, out: Path
) -> Record:
    splits = {name: len(scene.split(name)) for name in ("train", "val", "test")}
    factor = scene.frames[0].downscale
    return Record(
        method=method,
        config=dataclasses.asdict(cfg),
        data=describe_data(
            scene.root, out, fingerprint=scene.fingerprint, splits=splits, downscale=factor
        ),
        world_from_scene=scene.world_from_scene.tolist(),
        traits=scene.traits._asdict(),
        seed=plan.seed,
        budget={"steps": budget.steps, "seconds": budget.seconds},
    )


def _fit(
    run: Run, method: Method, cfg: Any, *, scene: Scene, sampler: PixelSampler, display: Display
) -> None:
    model = method.build(cfg, generator=torch.Generator().manual_seed(run.record["seed"]))
    preview = Preview(run, method, model, cfg=cfg, scene=scene, display=display)
    hooks = Hooks(on_step=display.step, preview_at=preview.due, preview=preview.take)
    budget = Budget(run.record["budget"].get("steps"), run.record["budget"].get("seconds"))
    optimiser = Adam(method.param_groups(model, cfg))
    try:
        outcome = fit(
            method,
            model,
            cfg,
            sampler=sampler,
            optimiser=optimiser,
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


@contextlib.contextmanager
def _preparing(display: Display) -> Iterator[None]:
    """Compile the kernels beside the block, which loads the data."""
    with ThreadPoolExecutor(1) as pool:
        started = time.perf_counter()
        # the kernels bring their own threads; torch's would spin beside them, waiting
        torch.set_num_threads(1)
        future: Future[float] = pool.submit(prepare)
        yield
        if not future.done() and time.perf_counter() - started > SLOW_PREPARATION:
            display.note("preparing kernels, once per machine ...")
        seconds = future.result()
        if seconds > SLOW_PREPARATION:
            display.note(f"kernels ready after {seconds:.1f} s")


def settings_of(pairs: Sequence[str] | dict[str, Any]) -> tuple[str, ...]:
    """Settings given as a dict, as the texts that `--set` takes."""
    if isinstance(pairs, dict):
        return tuple(f"{name}={_text(value)}" for name, value in pairs.items())
    return tuple(pairs)


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
