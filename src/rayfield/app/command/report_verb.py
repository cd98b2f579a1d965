"""The verb `report` of the command line; see verbs.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import arg

from rayfield.app.command.display import Display
from rayfield.app.command.options import Common, Result, RunArg
from rayfield.core.check import UsageError

LONGEST = 3600.0


@dataclass(frozen=True)
class Report(Common):
    """Write one page about a run, RUN/report.html, that opens anywhere, also without a network."""

    folder: RunArg
    """the run's folder, also while it is trained"""
    seconds: Annotated[float, arg(metavar="S")] = 5.0
    """for rendering what the run has not: views beside photos, a video, a mesh"""

    def run(self, display: Display) -> Result:
        """Write it."""
        if not 0 <= self.seconds <= LONGEST:
            raise UsageError(f"--seconds {self.seconds:g} is out of range; give 0 to {LONGEST:g}")
        from rayfield.app.report.page import write_report

        found = write_report(
            self.folder,
            seconds=self.seconds,
            tell=lambda what, done: display.task(f"report: {what}", done),
        )
        missing = [f"left out: {text}" for text in found["left_out"]]
        missing += [f"could not be used: {text}" for text in found["problems"]]
        size = f"{found['bytes'] / 1e6:.1f} MB"
        head = f"{found['file']}: {size}, in {found['seconds']:.1f} s"
        return Result(found, "\n".join([head, *missing]))
