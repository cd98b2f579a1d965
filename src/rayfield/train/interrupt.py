"""Stopping on request: Ctrl-C, and what clusters and closing terminals send."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType

from rayfield.core.check import RayfieldError

EXIT_CODE = 130


class Interrupted(RayfieldError):  # noqa: N818 - what was asked for is no error
    """Training was stopped from outside, at a step boundary."""

    exit_code = EXIT_CODE


class Interrupts:
    """Turns SIGINT, SIGTERM and SIGHUP into `requested`; a later SIGINT ends the process at once.

    Ending at once is safe because a checkpoint counts only when it is complete. Handlers are set
    in the main thread only (Python allows no other) and put back on leaving.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, object] = {}

    def asked(self) -> bool:
        """Whether training is to stop."""
        return self.requested

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                if name in signal.Signals.__members__:  # Windows has no SIGHUP
                    number = signal.Signals[name]
                    self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            # None: the handler before was not Python's, and cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # type: ignore[arg-type]

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            os._exit(EXIT_CODE)
        self.requested = True
