"""The verb `view`, and `train --view`: what is missing is said before anything is loaded."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rayfield.app.catalogue import find_method
from rayfield.app.command.display import Display
from rayfield.app.learned.field import TrainedField
from rayfield.app.learned.opened import open_learned
from rayfield.app.learned.trained_class import TrainedClass
from rayfield.app.onlooker import NOBODY, Nobody
from rayfield.app.prepare import kernels_for, preparing
from rayfield.app.viewer.address import Door
from rayfield.core.check import UsageError

if TYPE_CHECKING:  # needs what may not be installed
    from rayfield.app.viewer.watching import Watch


def check_installed() -> None:
    """Raise UsageError, with the line to type, if what the viewer needs is not installed."""
    if importlib.util.find_spec("websockets") is None:
        raise UsageError("the viewer needs websockets; install it: pip install 'rayfield[view]'")


@contextlib.contextmanager
def looked_at(
    where: tuple[str, int] | None, method: str | None, display: Display
) -> Iterator[Nobody | Watch]:
    """Who looks on at a training: nobody, or the browser by way of a host and port.

    Raises UsageError if the `method` learns nothing that can be looked at.
    """
    if where is None:
        yield NOBODY
        return
    check_installed()
    if method is not None and "view" not in find_method(method).offers:
        raise UsageError(f"--view: {method} learns no field from photos; leave it out")
    from rayfield.app.viewer.watching import Watch

    with Watch(Door(*where), display) as watch:
        yield watch


def show(
    folder: Path,
    door: Door,
    *,
    scene: str | None = None,
    seconds: float | None = None,
    display: Display,
) -> tuple[dict[str, Any], str]:
    """Show the field of a run in the browser until Ctrl-C, or for so long."""
    check_installed()
    from rayfield.app.viewer.viewing import view

    learned = open_learned(folder, "view")
    if isinstance(learned, TrainedClass):
        learned = learned.scene(scene)
    elif scene is not None:
        raise UsageError("--scene is for runs that learned several scenes")
    name = learned.run.record["method"]
    if not isinstance(learned, TrainedField):
        raise UsageError(f"{folder}: only fields learned from photos can be looked at; see `info`")
    with preparing(display, kernels=kernels_for(find_method(name), learned.cfg)):
        pass
    found = view(learned, door, display.note, seconds=seconds)
    return found, f"viewer closed after {found['seconds']:.0f} s"
