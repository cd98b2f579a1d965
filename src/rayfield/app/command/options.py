"""What every verb of the command line takes and gives."""

from __future__ import annotations

import abc
import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from tyro.conf import Positional, arg

from rayfield.app.command.display import Display
from rayfield.core.check import UsageError

MOST_THREADS = 1024

# An option whose help says itself what happens without it.
told = functools.partial(arg, help_behavior_hint="")

Flag = Annotated[bool, told()]
Count = Annotated[int | None, told(metavar="N")]
Seconds = Annotated[float | None, told(metavar="S")]
Size = Annotated[str | None, told(metavar="WxH")]
HOST, PORT = "127.0.0.1", 7007  # where the viewer listens
Host = Annotated[str, arg(metavar="ADDRESS")]
Port = Annotated[int, arg(metavar="N")]
RunArg = Annotated[Positional[Path], arg(metavar="RUN")]


class Result(NamedTuple):
    """What a verb found: for `--json`, and as text for people; and the exit code."""

    values: dict[str, Any]
    text: str
    code: int = 0


@dataclass(frozen=True, kw_only=True)
class Common(abc.ABC):
    """What every verb takes."""

    json: Flag = False
    """print one JSON object on standard output, everything else on standard error"""
    debug: Flag = False
    """show the traceback of an error"""
    log_json: Flag = False
    """show progress as JSON lines on standard error"""
    threads: Count = None
    """cores to use; default: all of them"""

    def start(self) -> None:
        """Settle the number of threads before the libraries that use them are loaded."""
        if self.threads is None:
            return
        if not 1 <= self.threads <= MOST_THREADS:
            raise UsageError(f"--threads {self.threads} is out of range; give 1 to {MOST_THREADS}")
        os.environ["RAYFIELD_THREADS"] = str(self.threads)
        import torch

        torch.set_num_threads(self.threads)

    @abc.abstractmethod
    def run(self, display: Display) -> Result:
        """Do it."""
