"""The model of a run, at its newest checkpoint or at one that is named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import nn

from rayfield.app import contract
from rayfield.app.catalogue import load_method
from rayfield.app.learned import cameras as cams
from rayfield.app.learned.field import CAMERAS, TrainedField
from rayfield.app.settings import config_from_json
from rayfield.core.check import DataError
from rayfield.train.checkpoint import Checkpoint, load, load_latest, restore_model
from rayfield.train.run import Run, open_run


class Restored(NamedTuple):
    """What a run folder holds, at one of its checkpoints."""

    run: Run
    method: Any
    cfg: Any
    model: nn.Module
    step: int


def restore(path: Path | str) -> Restored:
    """The model of a run folder at its newest whole checkpoint, or of one of its checkpoints,
    RUN/checkpoints/step-N. It is only read, so the run may be in training.

    Raises DataError if there is no run, no checkpoint, or one that does not fit.
    """
    run, checkpoint = found(Path(path))
    method: Any = load_method(run.record["method"])
    cfg: Any = config_from_json(method.Config, run.record["config"], run.path / "run.json")
    model = method.build(cfg, generator=torch.Generator().manual_seed(run.record["seed"]))
    restore_model(model, checkpoint)
    model.eval()
    return Restored(run, method, cfg, model, checkpoint.step)


def found(path: Path) -> tuple[Run, Checkpoint]:
    """The run and the checkpoint that a path names. Raises DataError."""
    if re.fullmatch(r"step-\d{1,18}", path.name) and path.parent.name == "checkpoints":
        run = open_run(path.parent.parent)
        if not path.is_dir():
            there = ", ".join(sorted(folder.name for folder in path.parent.glob("step-*")))
            what = f"there is no such checkpoint (there are: {there or 'none'})"
            raise DataError(path, what, "the newest two are kept; give the run's folder")
        return run, load(path)
    run = open_run(path)
    latest = load_latest(run)
    if latest is None:
        raise DataError(run.path, "holds no checkpoint yet", f"run: rayfield resume {run.path}")
    return run, latest


def open_field(restored: Restored, *, image: int = -1) -> TrainedField:
    """The field that was learned from photos, with their cameras; `image` as in TrainedField."""
    cameras = cams.load_cameras(restored.run.path / CAMERAS)
    method = cast(contract.RayMethod, restored.method)
    return TrainedField(
        restored.run, method, restored.cfg, restored.model, restored.step, cameras, image
    )
