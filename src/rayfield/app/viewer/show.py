"""The verb `view`: opens the run, and says what is missing before anything is loaded."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from rayfield.app.catalogue import find_method
from rayfield.app.learned.field import TrainedField
from rayfield.app.learned.opened import open_learned
from rayfield.app.learned.trained_class import TrainedClass
from rayfield.app.prepare import kernels_for, prepare
from rayfield.app.viewer.address import Door
from rayfield.core.check import UsageError

SLOW = 1.0  # seconds; from here on it is worth a remark


def check_installed() -> None:
    """Raise UsageError, with the line to type, if what the viewer needs is not installed."""
    if importlib.util.find_spec("websockets") is None:
        raise UsageError("the viewer needs websockets; install it: pip install 'rayfield[view]'")


def show(
    folder: Path,
    door: Door,
    *,
    scene: str | None = None,
    seconds: float | None = None,
    note: Callable[[str], None],
) -> tuple[dict[str, Any], str]:
    """Show the field of a run in the browser until Ctrl-C, or for so long."""
    check_installed()
    from rayfield.app.viewer.viewing import view

    learned = open_learned(folder, "view")
    if isinstance(learned, TrainedClass):
        learned = learned.scene(scene)
    elif scene is not None:
        raise UsageError("--scene is for runs that learned several scenes")
    if not isinstance(learned, TrainedField):
        raise UsageError(f"{folder}: only fields learned from photos can be looked at; see `info`")
    kernels = kernels_for(find_method(learned.run.record["method"]), learned.cfg)
    if kernels:
        torch.set_num_threads(1)  # the kernels bring their own
        took = prepare(kernels)
        if took > SLOW:
            note(f"kernels ready after {took:.1f} s")
    found = view(learned, door, note, seconds=seconds)
    return found, f"viewer closed after {found['seconds']:.0f} s"
