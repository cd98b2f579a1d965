"""A data set as far as it can be read, and what stood in the way."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rayfield.core.check import DataError
from rayfield.core.types import ExifUse, MaskUse
from rayfield.data.check.finding import Finding
from rayfield.data.check.listing import Row, read_rows
from rayfield.data.detect import holds_scene, names_cameras, read_capture
from rayfield.data.load import stood
from rayfield.data.masks import used
from rayfield.data.scene import Capture, hold_out_test, in_natural_order

ABSENT = "do not exist"


class Reading(NamedTuple):
    """What could be read: frames with their splits and masks, and rows where it is a listing.

    `axes` takes a pose as the program has it to the matrix of the file: poses @ axes.
    """

    capture: Capture | None
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    axes: Float[np.ndarray, "4 4"]


def gather(path: Path, *, masks: MaskUse | None = None, exif: ExifUse = "ignore") -> Reading:
    """Read all that can be read. Raises DataError where there is no data set at all."""
    known = names_cameras(path) if path.is_file() else holds_scene(path)
    if not known:
        read_capture(path)  # a model's own folder, or the error that tells what is expected
    rows, findings = read_rows(path)
    capture: Capture | None = None
    try:
        capture = read_capture(path)
    except DataError as error:
        if not any(finding.level == "error" for finding in findings):
            findings.append(_of_error(error, "files"))
        capture = _rest(path, rows)
    axes = np.diag([1.0, -1.0, -1.0, 1.0]) if rows else np.eye(4)
    if capture is None:
        return Reading(None, tuple(rows), tuple(findings), axes)
    findings += _notes(capture, bool(rows))
    try:
        frames, note = used(capture, masks)
    except DataError as error:
        frames, note = capture.frames, None
        findings.append(_of_error(error, "masks"))
    frames, held = hold_out_test(frames)
    turning = None
    with contextlib.suppress(DataError):  # damaged photos are told of when they are looked at
        frames, turning = stood(frames, exif)
    findings += [Finding("note", "split", held)] if held else []
    findings += [Finding("note", "masks", note)] if note else []
    findings += [Finding("note", "images", turning)] if turning else []
    return Reading(replace(capture, frames=frames), tuple(rows), tuple(findings), axes)


def _of_error(error: DataError, kind: str) -> Finding:
    return Finding("error", kind, error.what, (error.path.name,), error.fix)


def _rest(path: Path, rows: list[Row]) -> Capture | None:
    """The frames of a listing that are sound by themselves; None without any."""
    frames = in_natural_order(row.frame for row in rows if row.frame is not None)
    root = path.parent if path.is_file() else path
    return Capture(root, "transforms", frames, None, ()) if frames else None


def _notes(capture: Capture, listed: bool) -> list[Finding]:
    """What the reader noted; of a listing, its frames are already told of one by one."""
    told = [note for note in capture.notes if not (listed and "listed images" in note)]
    return [
        Finding("warning" if ABSENT in note else "note", "files", note, (), "") for note in told
    ]
