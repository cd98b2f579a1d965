"""The verb `check` of the command line; see verbs.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from rayfield.app.command.display import Display
from rayfield.app.command.options import Common, Result, told
from rayfield.core.check import DataError


@dataclass(frozen=True)
class Check(Common):
    """Look for what is wrong with posed photos before training on them."""

    folder: Annotated[Positional[Path], arg(metavar="DATA")]
    """folder of posed photos, or their file of cameras"""
    picture: Annotated[Path | None, told(metavar="FILE")] = None
    """the PNG of what was found; default: check-DATA.png here"""
    masks: Annotated[Literal["cut", "skip", "off"] | None, told()] = None
    """masks of photos, as in `train`; default: as their format"""

    def run(self, display: Display) -> Result:
        """Check; exit code 3 where training would be pointless."""
        from rayfield.app.check import words
        from rayfield.app.check.examine import examine

        found = examine(
            self.folder,
            masks=self.masks,
            progress=lambda done: display.task("looking at the photos", done),
        )
        code = DataError.exit_code if found.pointless else 0
        values = words.values(found, picture=None, fixed=None)
        return Result(values, words.text(found, picture=None, fixed=None), code)
