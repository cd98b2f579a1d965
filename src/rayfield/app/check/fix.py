"""`check --fix`: a corrected copy of a data set in a new folder, checked again."""

from __future__ import annotations

from pathlib import Path

from rayfield.app.check.examine import Examination, examine
from rayfield.app.convert import check_target, fresh_folder
from rayfield.core.check import DataError, RayfieldError
from rayfield.core.types import ExifUse, MaskUse
from rayfield.data.check.mend import Mending, write_mended


def plan(found: Examination) -> Mending:
    """What can be mended of what was found."""
    kinds: dict[str, set[str]] = {"copies": set(), "images": set()}
    for finding in found.findings:
        if finding.kind == "images" and finding.level == "error":
            kinds["images"] |= set(finding.where)
        if finding.kind == "copies" and "test" in finding.what:
            kinds["copies"] |= {pair.split(" = ")[0] for pair in finding.where}
    masks = [f.name for f in found.frames if f.mask is not None and found.inverted]
    return Mending(
        found.reading_as or "as is",
        frozenset(kinds["copies"]),
        frozenset(kinds["images"]),
        frozenset(masks),
    )


def fix(
    found: Examination,
    out: Path,
    *,
    link: bool = False,
    masks: MaskUse | None = None,
    exif: ExifUse = "ignore",
) -> tuple[list[str], Examination]:
    """Write the corrected copy into the new folder `out`: what was done, and a check of it.

    Raises UsageError for an `out` that must not be written, DataError where nothing can be mended,
    RayfieldError where the disk refuses.
    """
    check_target(out, found.path, force=False)
    capture = found.reading.capture
    mending = plan(found)
    broken = any(row.frame is None for row in found.reading.rows)
    if capture is None or (mending == Mending() and not broken):
        what = "nothing that --fix can mend was found"
        raise DataError(found.path, what, "train on it, or follow the advice of `rayfield check`")
    try:
        with fresh_folder(out) as folder:
            rows = found.reading.rows
            done = write_mended(folder, capture, rows, mending=mending, link=link)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        what = f"{out}: cannot be written ({reason})"
        raise RayfieldError(f"{what}; nothing was left there; choose another folder") from None
    named = found.path.name if found.path.is_file() else ""
    return done, examine(out / named, masks=masks, exif=exif)
