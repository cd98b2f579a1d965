"""What a method learns from, as training sees it: photos of a scene, one picture, ...

Each kind of data is one file (`photos.py`) that gives a `Source`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from torch import nn

from rayfield.app.command.display import Display
from rayfield.train.run import DataRecord, Run


class Origin(NamedTuple):
    """The part of run.json that says what a run learned from (see train/run.py, `Record`)."""

    data: DataRecord
    world_from_scene: list[list[float]]
    traits: dict[str, Any]


@runtime_checkable
class Preview(Protocol):
    """Pictures of a training: at growing times, and at its end. All may raise OSError."""

    def due(self, step: int, seconds: float) -> bool: ...
    def take(self, step: int, seconds: float) -> None: ...
    def finish(self, step: int, seconds: float) -> None: ...


@runtime_checkable
class Source(Protocol):
    """Data that has been read. `traits` is what the method's `adapt` is told of it."""

    @property
    def traits(self) -> Any: ...
    @property
    def sampler(self) -> Any: ...

    def lines(self) -> list[str]:
        """What was found, in a few lines."""

    def origin(self, out: Path) -> Origin:
        """Where it came from, seen from the run folder `out`."""

    def keep(self, run: Run) -> None:
        """Write into a new run what it needs when the data is gone."""

    def preview(
        self, run: Run, method: Any, model: nn.Module, *, cfg: Any, display: Display
    ) -> Preview:
        """What draws the training's pictures."""
