"""How the steps of a reconstruction tell where they are."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Report(Protocol):
    """Takes how much of a task is done, in [0, 1], and what of."""

    def __call__(self, fraction: float, remark: str = "") -> None: ...


@runtime_checkable
class Progress(Protocol):
    """Gives the report of a task by its name, one of `STEPS`."""

    def __call__(self, task: str) -> Report: ...


STEPS = {
    "preparing": 1,
    "reading video": 1,
    "writing frames": 1,
    "finding features": 2,
    "matching": 3,
    "placing cameras": 4,
    "refining": 4,
}
"""Every task, and which of the four steps it belongs to."""
