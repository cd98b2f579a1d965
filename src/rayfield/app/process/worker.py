"""The process that reconstructs: `python -m rayfield.app.process.worker`.

It takes one job, a line of JSON, from standard input and answers with lines of JSON on standard
output: {"task", "fraction", "remark"}, {"note"}, and at last {"outcome"}, {"error"} or {"failure"}.
A process of its own because it runs native code on untrusted files: whatever happens to it, the
one who asked goes on. It ends when its standard input is closed. No torch here: two OpenMP
libraries in one process do not get along.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path
from typing import IO, Any

from rayfield.app.process.job import Job, error_event, from_line
from rayfield.app.process.outcome import FEW_IMAGES, Failure, Outcome, to_values
from rayfield.app.process.photos import Picture, prepare
from rayfield.app.process.reports import STEPS, Report
from rayfield.core.check import DataError

PAUSE = 0.1  # seconds between two reports on one task


class Answers:
    """Writes the worker's lines."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._last, self._task = 0.0, ""

    def say(self, event: dict[str, Any]) -> None:
        """Write one line."""
        self._stream.write(json.dumps(event) + "\n")
        self._stream.flush()

    def progress(self, task: str) -> Report:
        """What a task reports to."""

        def report(fraction: float, remark: str = "") -> None:
            now = time.monotonic()
            if task == self._task and now < self._last + PAUSE and fraction < 1:
                return
            self._last, self._task = now, task
            label = f"{STEPS[task]}/4 {task}"
            self.say({"task": label, "fraction": float(fraction), "remark": remark})

        return report


def main() -> int:
    """Do the job that standard input asks for; 0 if it was answered, whatever with."""
    answers = Answers(os.fdopen(os.dup(1), "w", encoding="ascii"))
    os.dup2(2, 1)  # whatever native code prints
    job = from_line(sys.stdin.readline())
    threading.Thread(target=_end_when_abandoned, daemon=True).start()
    warnings.simplefilter("ignore")
    try:
        answers.say({"outcome": to_values(run(job, answers))})
    except Exception as error:
        traceback.print_exc()
        answers.say(error_event(error))
    return 0


def _end_when_abandoned() -> None:
    sys.stdin.read()
    os._exit(1)


def run(job: Job, answers: Answers) -> Outcome:
    """Find the poses; the data set is left in work/data if enough pictures have one."""
    import pycolmap

    pycolmap.logging.minloglevel = int(pycolmap.logging.Level.ERROR)
    pycolmap.logging.logtostderr = True
    work = Path(job.work)
    images = work / "data" / "images"
    images.mkdir(parents=True)
    gather = _from_video if job.video else _from_photos
    pictures, unread = gather(job, images, answers)
    if len(pictures) < FEW_IMAGES:
        source = Path(job.video or job.photos[0][0])
        what = f"gives {len(pictures)} images, and at least {FEW_IMAGES} are needed"
        raise DataError(source if job.video else source.parent, what, "take more")
    from rayfield.app.process.solve import solve

    return solve(job, pictures, unread, progress=answers.progress)


def _from_photos(job: Job, images: Path, answers: Answers) -> tuple[list[Picture], list[Failure]]:
    """Upright copies of the photos, and those that cannot be read."""
    report, pictures = answers.progress("preparing"), []
    bad = dict(job.unread)
    for i, (path, name) in enumerate(job.photos):
        try:
            if name not in bad:
                turn = job.settings.exif == "apply"
                pictures.append(prepare(Path(path), name, images, turn=turn))
        except DataError as error:
            if not job.settings.partial:
                fix = f"{error.fix}, or go on without it: --allow-partial"
                raise DataError(error.path, error.what, fix) from None
            bad[name] = error.what
        report((i + 1) / len(job.photos), f"{i + 1} of {len(job.photos)} photos")
    return pictures, [Failure(name, "unreadable", what) for name, what in bad.items()]


def _from_video(job: Job, images: Path, answers: Answers) -> tuple[list[Picture], list[Failure]]:
    """The chosen frames of a video."""
    from rayfield.app.process.video import survey, write_frames
    from rayfield.data.images import image_info

    assert job.video is not None
    path, settings = Path(job.video), job.settings
    report = answers.progress("reading video")
    found = survey(path, most=settings.frames, partial=settings.partial, report=report)
    report = answers.progress("writing frames")
    names = write_frames(path, found.chosen, images, total=found.frames, report=report)
    turned = f", turned by {-found.turned} degrees" if found.turned else ""
    rate = f"{len(names)} of {found.frames} frames chosen by sharpness and motion{turned}"
    for note in (*found.notes, f"{path.name}: {rate}"):
        answers.say({"note": note})
    sizes = [image_info(images / name) for name in names]
    return [Picture(n, s.width, s.height) for n, s in zip(names, sizes, strict=True)], []


if __name__ == "__main__":
    sys.exit(main())
