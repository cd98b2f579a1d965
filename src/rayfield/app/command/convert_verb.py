"""The verb `convert` of the command line; see verbs.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from rayfield.app.command.display import Display
from rayfield.app.command.options import Common, Flag, Result, told

Form = Literal["blender", "ngp", "nerfstudio", "colmap", "colmap-text", "llff", "neus"]


@dataclass(frozen=True)
class Convert(Common):
    """Write a data set of posed photos in the format of another program."""

    data: Annotated[Positional[Path], arg(metavar="DATA")]
    """folder of posed photos, or the file of cameras in it that is to be read"""
    output: Annotated[Path, arg(aliases=["-o"], metavar="OUT")]
    """new folder for the converted data set"""
    to: Annotated[Form, arg()]
    """the format to write"""
    masks: Annotated[Literal["cut", "skip", "off"] | None, told()] = None
    """masks of photos: cut the subject out, skip black pixels, or off; default: as their format"""
    link: Flag = False
    """hard links instead of copies of the photos that stay as they are"""
    exif: Annotated[Literal["apply", "ignore"], arg()] = "ignore"
    """orientation that EXIF asks for where sizes do not tell: turn the photos, or leave them"""
    force: Flag = False
    """replace the data set that is in OUT"""

    def run(self, display: Display) -> Result:
        """Convert."""
        from rayfield.app.convert import How, convert

        how = How(self.masks, self.link, self.force, self.exif == "apply")
        return Result(
            *convert(
                self.data,
                self.output,
                self.to,
                how=how,
                progress=lambda done: display.task("converting", done),
            )
        )
