"""Raw photos or a video to a COLMAP data set that is whole or not there at all.

The work is done in a hidden folder beside the data set, which gets its name at the end.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rayfield import __version__
from rayfield.app.command.display import Display
from rayfield.app.process import outcome as told
from rayfield.app.process.job import Job, Settings
from rayfield.app.process.listing import READ, check_headers, find_photos
from rayfield.app.process.outcome import Outcome
from rayfield.app.process.supervised import supervise
from rayfield.core.check import DataError, RayfieldError, UsageError
from rayfield.train.files import sync_folder, write_json
from rayfield.train.interrupt import Interrupted
from rayfield.train.lock import LOCK, locked
from rayfield.train.run import check_folder

RECORD = "process.json"
SCHEMA = 1
MOST_FRAMES = 2000
MOST_NOTES = 40


def process(
    source: Path, out: Path, settings: Settings, *, threads: int, force: bool, display: Display
) -> dict[str, Any]:
    """Find the poses of photos (a folder) or of a video, and write images/ and sparse/0/ to `out`.

    What came out is returned, and kept in process.json beside the data. Raises UsageError for
    arguments, DataError for input that cannot be used or gives too few poses, RayfieldError if
    pycolmap is missing or fails, Interrupted when stopped; `out` is then as it was before.
    """
    started = time.monotonic()
    _check(source, out, settings, force=force)
    require_pycolmap()
    job = _job(source, settings, threads, display)
    work = out.absolute().parent / f".{out.absolute().name}.processing"
    with _workshop(work, out):
        outcome = supervise(_at(job, work), work / "worker.log", display)
        for failure in outcome.failures[:MOST_NOTES]:
            display.note(f"{failure.name}: {failure.reason}")
        if len(outcome.failures) > MOST_NOTES:
            display.note(f"... and {len(outcome.failures) - MOST_NOTES} more images without a pose")
        short = told.shortfall(outcome, least=settings.least, partial=settings.partial)
        if short is not None:
            raise DataError(source, *short)
        found = _record(source, settings, outcome, time.monotonic() - started)
        write_json(work / "data" / RECORD, found)
        _publish(work, out)
    return {"data": out.as_posix(), **found}


def require_pycolmap() -> None:
    """Raise RayfieldError with the command that installs it, if pycolmap is not there."""
    if importlib.util.find_spec("pycolmap") is None:
        raise RayfieldError('finding poses needs pycolmap: pip install "pycolmap>=4,<5"')


def _check(source: Path, out: Path, settings: Settings, *, force: bool) -> None:
    """Raise for arguments that cannot be used, before anything is done."""
    if not source.exists():
        raise DataError(source, "does not exist", "give a folder of photos, or a video file")
    if not (source.is_dir() or source.is_file()):
        raise DataError(source, "is neither a folder nor a file", "give photos, or a video file")
    if source.suffix.lower() in READ and source.is_file():
        raise DataError(source, "is one picture", "give the folder of all photos of the scene")
    if not 0 < settings.least <= 1:
        raise UsageError(f"--min-registered {settings.least:g}: give a share, above 0 and up to 1")
    if not told.FEW_IMAGES <= settings.frames <= MOST_FRAMES:
        raise UsageError(
            f"--frames {settings.frames}: give {told.FEW_IMAGES} to {MOST_FRAMES} frames"
        )
    if not 0 <= settings.seed < 2**31:
        raise UsageError(f"--seed {settings.seed}: give 0 to {2**31 - 1}")
    if source.resolve().is_relative_to(out.resolve()):
        raise UsageError(f"{out}: holds {source} itself; choose another folder with -o")
    if out.is_dir() and any(out.iterdir()):
        if not force:
            raise UsageError(f"{out}: exists; choose another folder with -o, or use --force")
        if not (out / RECORD).is_file():
            raise UsageError(f"{out}: was not made by `rayfield process`; remove it yourself")
    else:
        check_folder(out)


def _job(source: Path, settings: Settings, threads: int, display: Display) -> Job:
    """What the worker is to do; headers of photos have been looked at."""
    if source.is_file():
        return Job("", settings, threads, video=str(source.absolute()))
    root, paths, notes = find_photos(source)
    for note in notes:
        display.note(f"note: {note}")
    bad = check_headers(paths, partial=settings.partial)
    names = {path: path.relative_to(root).as_posix() for path in paths}
    if len(paths) < told.FEW_IMAGES:
        what = f"holds {len(paths)} photo{'s' * (len(paths) > 1)}"
        raise DataError(source, what, f"at least {told.FEW_IMAGES} are needed, better 30 to 200")
    photos = tuple((str(path.absolute()), name) for path, name in names.items())
    unread = tuple((names[path], why) for path, why in bad.items())
    return Job("", settings, threads, photos=photos, unread=unread)


def _at(job: Job, work: Path) -> Job:
    return Job(**{**vars(job), "work": str(work)})


@contextlib.contextmanager
def _workshop(work: Path, out: Path) -> Iterator[None]:
    """An empty folder to work in, for this process alone, that is gone afterwards."""
    try:
        with locked(work):
            _empty(work)
            try:
                yield
            finally:
                _empty(work)
    except KeyboardInterrupt:
        raise Interrupted(f"stopped; {out} was not written") from None
    except OSError as error:
        what = f"{error.filename or work}: cannot be written ({error.strerror})"
        raise RayfieldError(f"{what}; nothing was written to {out}") from None
    finally:
        with contextlib.suppress(OSError):
            work.rmdir()  # unless another process works there


def _empty(work: Path) -> None:
    """Remove what was made there, by this process or by one that was killed."""
    for entry in work.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != LOCK:
            entry.unlink()


def _record(source: Path, settings: Settings, outcome: Outcome, seconds: float) -> dict[str, Any]:
    versions = {"rayfield": __version__, "pycolmap": importlib.metadata.version("pycolmap")}
    return {
        "schema": SCHEMA,
        "source": source.name,
        **told.to_values(outcome),
        "seconds": round(seconds, 2),
        "settings": asdict(settings),
        "versions": versions,
    }


def _publish(work: Path, out: Path) -> None:
    """Give the finished data its name; what was there before is gone only then."""
    for path in sorted((work / "data").rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            sync_folder(path)
    sync_folder(work / "data")
    if out.is_dir():
        out.rename(work / "before")
    (work / "data").rename(out)
    sync_folder(out.absolute().parent)
