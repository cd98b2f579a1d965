"""Converting a data set: the new folder appears whole or not at all, and is read back first."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rayfield.core.check import RayfieldError, UsageError
from rayfield.core.types import MaskUse
from rayfield.data.convert import TARGETS, Conversion
from rayfield.data.convert import convert as write_in_form
from rayfield.data.detect import holds_scene, read_capture
from rayfield.data.scene import SPLITS, Capture
from rayfield.train.files import sync_folder

AGREE = 1e-6  # of the distance between cameras


class How(NamedTuple):
    """What a conversion is asked to do besides; see `rayfield convert --help`."""

    masks: MaskUse | None = None
    link: bool = False
    force: bool = False
    upright: bool = False


AS_IT_IS = How()


def convert(
    data: Path,
    out: Path,
    form: str,
    *,
    how: How = AS_IT_IS,
    progress: Callable[[float], None] = lambda done: None,
) -> tuple[dict[str, Any], str]:
    """Write the data set at `data` into the folder `out` in a format: values, and text.

    Raises UsageError for an `out` that must not be written, DataError for data that cannot be
    used, RayfieldError where the disk refuses.
    """
    if form not in TARGETS:
        raise UsageError(f"there is no format {form!r} to write; there are: {', '.join(TARGETS)}")
    check_target(out, data, force=how.force)
    capture = read_capture(data)
    try:
        with fresh_folder(out) as folder:
            done = write_in_form(
                capture,
                folder,
                form,
                masks=how.masks,
                link=how.link,
                upright=how.upright,
                progress=progress,
            )
            _check_agreement(done.capture, read_capture(folder), out)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        fix = "nothing was left there; free space or choose another folder with -o"
        raise RayfieldError(f"{out}: cannot be written ({reason}); {fix}") from None
    values = _values(data, out, capture, form, done)
    return values, _text(values)


def check_target(out: Path, data: Path, *, force: bool) -> None:
    """Raise UsageError unless `out` is new, or may be replaced."""
    there = out.absolute()
    here = data.resolve()
    if here == there.resolve() or there.resolve() in here.parents:
        raise UsageError(f"{out}: holds the data that is to be converted; choose another folder")
    if not there.parent.is_dir():
        raise UsageError(f"{out}: there is no folder {out.parent}; make it, or choose another")
    if not os.path.lexists(there):
        return
    if there.is_symlink() or not there.is_dir():
        raise UsageError(f"{out}: is not a folder; choose another name with -o")
    empty = not any(there.iterdir())
    if not empty and not holds_scene(there):
        raise UsageError(f"{out}: holds other files; choose a new folder with -o")
    if not empty and not force:
        raise UsageError(
            f"{out}: holds a data set; choose a new folder, or replace it with --force"
        )


@contextlib.contextmanager
def fresh_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` that becomes `out` at the end; after an error nothing is left of it."""
    temp = out.absolute().with_name(f".{out.name}.tmp-{os.getpid()}")
    old = temp.with_name(f".{out.name}.old-{os.getpid()}")
    shutil.rmtree(temp, ignore_errors=True)
    temp.mkdir()
    try:
        yield temp
        for folder, _, files in os.walk(temp):
            for name in files:
                _sync(Path(folder) / name)
            sync_folder(Path(folder))
        if out.exists():
            out.rename(old)
        temp.rename(out)
        sync_folder(temp.parent)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(temp, ignore_errors=True)
        if old.exists() and not out.exists():
            old.rename(out)
        raise


def _sync(path: Path) -> None:
    """Put a file on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_agreement(written: Capture, found: Capture, out: Path) -> None:
    """Raise RayfieldError unless the cameras that are read back are those that were written."""
    names = {frame.name: frame for frame in found.frames}
    places = np.stack([frame.camera.pose for frame in written.frames])
    extent = max(float(np.ptp(places[:, :3, 3], axis=0).max()), 1e-12)
    for frame in written.frames:
        other = names.get(frame.name)
        if other is None or not _agree(frame.camera.pose, other.camera.pose, extent):
            raise RayfieldError(
                f"{out}: not written, as {frame.name!r} would not be read back as it is; "
                "please report this"
            )


def _agree(pose: np.ndarray, other: np.ndarray, extent: float) -> bool:
    turned = np.abs(pose[:3, :3] - other[:3, :3]).max()
    moved = np.abs(pose[:3, 3] - other[:3, 3]).max()
    size = max(extent, float(np.abs(pose[:3, 3]).max()))
    return bool(turned < AGREE and moved < AGREE * size)


def _values(data: Path, out: Path, capture: Capture, form: str, done: Conversion) -> dict[str, Any]:
    frames = done.capture.frames
    points = done.capture.points
    return {
        "data": data.as_posix(),
        "output": out.as_posix(),
        "from": capture.format,
        "to": form,
        "images": len(frames),
        "splits": {s: n for s in SPLITS if (n := sum(frame.split == s for frame in frames))},
        "pictures": done.pictures,
        "masks": sum(frame.mask is not None for frame in frames),
        "points": 0
        if points is None or any("sparse points" in x for x in done.losses)
        else len(points),
        "changed": list(done.changes),
        "lost": list(done.losses),
        "notes": list(capture.notes),
    }


def _text(values: dict[str, Any]) -> str:
    """What was written, and what was changed or lost."""
    pictures = ", ".join(f"{count} {what}" for what, count in values["pictures"].items())
    parts = [f"{values['images']} images ({pictures})"]
    parts += [f"{values['masks']} masks"] if values["masks"] else []
    parts += [f"{values['points']:,} points"] if values["points"] else []
    lines = [
        f"{values['data']} ({values['from']}) -> {values['output']} ({values['to']}): "
        + ", ".join(parts)
    ]
    for key in ("notes", "changed", "lost"):
        word = key.removesuffix("s") if key == "notes" else key
        lines += [f"  {word}: {line}" for line in values[key]]
    return "\n".join(lines)
