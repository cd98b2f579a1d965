"""The verb `study` of the command line; see verbs.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional

from rayfield.app.command.display import Display
from rayfield.app.command.options import Common, Flag, Result, told


@dataclass(frozen=True)
class Study(Common):
    """Check a claim of the literature: a figure, its numbers, and a verdict."""

    name: Annotated[Positional[str | None], told(metavar="NAME")] = None
    """the study; without it, all of them are listed"""
    output: Annotated[Path | None, told(aliases=["-o"], metavar="FOLDER")] = None
    """folder for its results, and to go on in; default: studies/NAME"""
    full: Flag = False
    """the long version, where the default takes at most ten minutes"""
    data: Annotated[Path | None, told(metavar="DATA")] = None
    """your data, for the studies that can use some; default: what comes with rayfield"""
    list: Flag = False
    """list the studies"""

    def run(self, display: Display) -> Result:
        """Run the study, or list them."""
        from rayfield.app.studies import listing, study

        if self.name is None or self.list:
            return Result(*listing())
        return Result(
            *study(self.name, self.output, full=self.full, data=self.data, display=display)
        )
