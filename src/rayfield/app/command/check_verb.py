"""The verb `check` of the command line; see verbs.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from rayfield.app.command.display import Display
from rayfield.app.command.options import Common, Flag, Result, told
from rayfield.core.check import DataError, RayfieldError, UsageError

if TYPE_CHECKING:
    from rayfield.app.check.examine import Examination


@dataclass(frozen=True)
class Check(Common):
    """Look for what is wrong with posed photos before training on them."""

    folder: Annotated[Positional[Path], arg(metavar="DATA")]
    """folder of posed photos, or their file of cameras"""
    picture: Annotated[Path | None, told(metavar="FILE")] = None
    """PNG to write; default: check-DATA.png here, or check-NEW.png of the copy"""
    masks: Annotated[Literal["cut", "skip", "off"] | None, told()] = None
    """masks of photos, as in `train`; default: as their format"""
    exif: Annotated[Literal["apply", "ignore"], arg()] = "ignore"
    """orientation that EXIF asks for where sizes do not tell, as in `train`"""
    fix: Flag = False
    """write a corrected copy into the folder of -o: poses, masks, copies, unusable photos"""
    output: Annotated[Path | None, told(aliases=["-o"], metavar="NEW")] = None
    """new folder for the corrected copy"""
    link: Flag = False
    """hard links instead of copies of the photos in it"""

    def run(self, display: Display) -> Result:
        """Check; exit code 3 where training would be pointless."""
        if self.fix != (self.output is not None):
            raise UsageError("give --fix and -o NEW together: a corrected copy needs a new folder")
        from rayfield.app.check import words
        from rayfield.app.check.examine import examine
        from rayfield.app.check.fix import fix

        found = examine(
            self.folder,
            masks=self.masks,
            exif=self.exif,
            progress=lambda done: display.task("looking at the photos", done),
        )
        final, mended = found, None
        if self.output is not None:
            done, final = fix(found, self.output, link=self.link, masks=self.masks, exif=self.exif)
            mended = words.Mended(self.output, tuple(done), words.verdict(final))
        picture = self._draw(final)
        code = DataError.exit_code if final.pointless else 0
        values = words.values(found, picture=picture, mended=mended)
        return Result(values, words.text(found, picture=picture, mended=mended), code)

    def _draw(self, found: Examination) -> Path:
        from rayfield.app.check.sheet import draw

        path = self.picture or Path(f"check-{found.path.resolve().name}.png")
        if path.suffix.lower() != ".png":
            raise UsageError(f"--picture {path}: is not named .png")
        try:
            draw(path, found)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise RayfieldError(f"{path}: cannot be written ({reason}); use --picture") from None
        return path
