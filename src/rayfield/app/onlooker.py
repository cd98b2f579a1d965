"""Who looks on while a field is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from rayfield.app.learned.restoring import Restored
from rayfield.app.sources.source import Source
from rayfield.train.progress import Progress


@runtime_checkable
class Onlooker(Protocol):
    """What a training tells those that look on; nothing here may stop it."""

    def begin(self, learner: Restored, source: Source) -> None:
        """That it begins, with a model that will change from step to step, on that data."""

    def step(self, progress: Progress) -> None:
        """Where it is, a few times a second."""

    def between(self, asked: Callable[[], bool]) -> None:
        """That a step is done: time to look, until `asked()` tells that training is to stop."""

    def linger(self) -> None:
        """That it is over: they may look on for as long as they like."""


class Nobody:
    """Looks at nothing."""

    def begin(self, learner: Restored, source: Source) -> None:
        """See Onlooker."""

    def step(self, progress: Progress) -> None:
        """See Onlooker."""

    def between(self, asked: Callable[[], bool]) -> None:
        """See Onlooker."""

    def linger(self) -> None:
        """See Onlooker."""


NOBODY = Nobody()
