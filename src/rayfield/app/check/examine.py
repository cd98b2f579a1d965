"""All that is looked for in a data set, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rayfield.core.types import Camera, ExifUse, MaskUse
from rayfield.data.check.axes import Name, better, check_axes, judge, readings
from rayfield.data.check.box import Subject, find_subject
from rayfield.data.check.coverage import Coverage, check_coverage, cover
from rayfield.data.check.finding import Finding, by_severity
from rayfield.data.check.lenses import check_lenses, check_sizes
from rayfield.data.check.look import Looked, look_at
from rayfield.data.check.masks import INVERT, check_masks, turned
from rayfield.data.check.photos import check_photos, check_seen
from rayfield.data.check.poses import check_poses, poses_of
from rayfield.data.check.reading import Reading, gather
from rayfield.data.check.twins import check_twins
from rayfield.data.nerfstudio import world_from_file
from rayfield.data.scene import Capture, Frame
from rayfield.data.strict_json import read_json_object


class Examination(NamedTuple):
    """What was found in the data set at `path`.

    `reading_as` is how its poses should be read, if not as they are, and `inverted` whether its
    masks are the wrong way round; all the rest is told as it will be once both are mended.
    """

    path: Path
    reading: Reading
    findings: tuple[Finding, ...]
    looks: Looked
    frames: tuple[Frame, ...]
    subject: Subject | None
    coverage: Coverage | None
    reading_as: Name | None
    inverted: bool = False

    @property
    def pointless(self) -> bool:
        """Whether training would be refused, or learn nothing."""
        return any(finding.level == "error" for finding in self.findings)


def examine(
    path: Path,
    *,
    masks: MaskUse | None = None,
    exif: ExifUse = "ignore",
    progress: Callable[[float], None] = lambda done: None,
) -> Examination:
    """Check a data set. Raises DataError only where there is none at all.

    `masks`, `exif` as in `load_scene`; `progress` is told the part of the pictures looked at.
    """
    reading = gather(path, masks=masks, exif=exif)
    findings = list(reading.findings)
    capture = reading.capture
    if capture is None:
        return Examination(path, reading, by_severity(findings), {}, (), None, None, None)
    looks, troubles = look_at(capture.frames, progress=progress)
    findings += check_seen(capture.frames, looks, troubles)
    own = _as_given(reading, capture)
    matrices = readings(own.matrices, reading.axes)
    scores = {name: judge(poses, own.lenses, own.points) for name, poses in matrices.items()}
    name = better(scores)
    findings += check_axes(scores, mendable=bool(reading.rows))
    if name is not None:  # all else is told as it will be once this is mended
        capture = _reread(capture, own, matrices[name])
    placed = check_poses(capture)
    findings += [*placed, *check_lenses(capture), *check_sizes(capture)]
    findings += check_photos(capture.frames, looks, troubles)
    masked = check_masks(capture.frames, looks)
    findings += masked
    wrong = any(f.fix == INVERT for f in masked)
    looks = turned(looks) if wrong else looks
    findings += check_twins(capture.frames, looks)
    subject, coverage = None, None
    if not any(finding.level == "error" for finding in placed):
        usable = tuple(frame for frame in capture.frames if frame.name in looks)
        subject, boxed = find_subject(replace(capture, frames=usable), looks)
        findings += boxed
        if subject is not None:
            coverage = cover(capture.frames, subject)
            findings += check_coverage(coverage)
    found = by_severity(findings)
    return Examination(path, reading, found, looks, capture.frames, subject, coverage, name, wrong)


class _Given(NamedTuple):
    """Matrices as a data set has them, the names and lenses of their pictures, and its points."""

    matrices: Float[np.ndarray, "N 4 4"]
    names: tuple[str, ...]
    lenses: list[Camera]
    points: Float[np.ndarray, "P 3"] | None


def _as_given(reading: Reading, capture: Capture) -> _Given:
    """Of a listing, as the file has them, before anything is undone; else as they were read."""
    rows = [
        (row.frame, row.matrix)
        for row in reading.rows
        if row.frame is not None and row.matrix is not None
    ]
    frames = tuple(frame for frame, _ in rows) or capture.frames
    matrices = np.stack([matrix for _, matrix in rows]) if rows else poses_of(frames)
    sizes = np.cbrt(np.linalg.det(matrices[:, :3, :3]))
    matrices = matrices.copy()
    matrices[:, :3, :3] /= sizes[:, None, None]
    points = capture.points
    if points is not None and rows:
        points = _in_file(points, reading.rows[0].file)
    names = tuple(frame.name for frame in frames)
    return _Given(matrices, names, [frame.camera for frame in frames], points)


def _reread(capture: Capture, own: _Given, poses: Float[np.ndarray, "N 4 4"]) -> Capture:
    """The capture with other poses, in the frame of the file."""
    pose = dict(zip(own.names, poses, strict=True))
    frames = tuple(
        replace(frame, camera=replace(frame.camera, pose=pose[frame.name]))
        for frame in capture.frames
        if frame.name in pose
    )
    return replace(capture, frames=frames, points=own.points)


def _in_file(points: Float[np.ndarray, "P 3"], listing: Path) -> Float[np.ndarray, "P 3"]:
    """Points of the world in the frame of a listing's matrices."""
    back = np.linalg.inv(world_from_file(listing, read_json_object(listing)))
    return points @ back[:3, :3].T + back[:3, 3]
