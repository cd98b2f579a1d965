"""A data set in another format: every picture, camera, mask, split and point it can hold.

Pictures stay as they are unless the format asks for others. What a format has no place for is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from rayfield.core.check import DataError
from rayfield.core.types import MaskUse
from rayfield.data.images import image_info
from rayfield.data.load import check_lenses, stood
from rayfield.data.masks import used
from rayfield.data.rectify import kept_share
from rayfield.data.scene import Capture, Frame, Sparse, hold_out_test, intrinsics
from rayfield.data.writers import blender, colmap, llff, nerfstudio, neus, ngp
from rayfield.data.writers.pictures import Change, Job, bring, change_of
from rayfield.data.writers.target import Content, Target

TARGETS: dict[str, Target] = {
    "blender": blender.TARGET,
    "ngp": ngp.TARGET,
    "nerfstudio": nerfstudio.TARGET,
    "colmap": colmap.BINARY,
    "colmap-text": colmap.TEXT,
    "llff": llff.TARGET,
    "neus": neus.TARGET,
}
WORKERS = 2

Progress = Callable[[float], None]


class Conversion(NamedTuple):
    """What was written, as a capture; what happened to the pictures; what changed and was lost."""

    capture: Capture
    pictures: dict[Change, int]
    changes: tuple[str, ...]
    losses: tuple[str, ...]


def convert(
    capture: Capture,
    root: Path,
    form: str,
    *,
    masks: MaskUse | None = None,
    link: bool = False,
    upright: bool = False,
    progress: Progress = lambda done: None,
) -> Conversion:
    """Write a capture into the empty folder `root` in a format, one of TARGETS.

    `masks` is what its masks are for; None: what they are for in its format. `link`: pictures that
    stay as they are become hard links to the given ones. `upright`: pictures are turned as EXIF
    asks also where no size tells whether their cameras fit them turned. Raises DataError for what
    cannot be used, OSError for what cannot be written.
    """
    target = TARGETS[form]
    frames, _ = used(capture, masks)
    if upright:
        frames, _ = stood(frames, "apply")
    check_lenses(capture.root, frames)
    notes = []
    if target.needs_test:
        frames, held = hold_out_test(frames)
        notes += [held] if held else []
    jobs = _jobs(capture, frames, target)
    pictures: Counter[Change] = Counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        for done, change in enumerate(pool.map(lambda job: bring(job, root, link=link), jobs)):
            pictures[change] += 1
            progress((done + 1) / len(jobs))
    written = replace(
        capture,
        frames=tuple(_written(job, root, target) for job in jobs),
        masks=None,
        sparse=_sparse(capture, jobs),
    )
    target.write(root, written)
    changes = (*notes, *_changes(jobs))
    holds = target.holds - ({"sightings"} if written.sparse is not capture.sparse else set())
    return Conversion(written, dict(pictures), changes, _losses(capture, frames, holds))


def _jobs(capture: Capture, frames: tuple[Frame, ...], target: Target) -> list[Job]:
    """What is to be done with each picture."""
    try:
        cameras = target.fit([frame.camera for frame in frames])
    except ValueError as error:
        fix = "undistort the images first (colmap image_undistorter)"
        raise DataError(
            capture.root, f"the lens of an image cannot be undone: {error}", fix
        ) from None
    jobs: list[Job] = []
    taken: set[str] = set()
    for frame, camera, wanted in zip(frames, cameras, target.place(frames), strict=True):
        cut = target.cut_by_alpha
        change = change_of(frame, camera, png=target.png, cut=cut)
        name = _free(wanted if change == "copied" else _as_png(wanted), taken)
        mask = target.mask(name) if _mask_goes(frame, target) else None
        jobs.append(Job(frame, change, camera, name, cut, mask))
    return jobs


def _as_png(name: str) -> str:
    return PurePosixPath(name).with_suffix(".png").as_posix()


def _free(name: str, taken: set[str]) -> str:
    """The name, or one like it where another picture has it, in any case of letters."""
    path, number = PurePosixPath(name), 1
    while name.lower() in taken:
        number += 1
        name = path.with_name(f"{path.stem}_{number}{path.suffix}").as_posix()
    taken.add(name.lower())
    return name


def _mask_goes(frame: Frame, target: Target) -> bool:
    """Whether a picture's mask, or its alpha, becomes a file of its own."""
    if target.cut_by_alpha:
        return frame.skipped is not None and "masks" in target.holds
    return frame.cutout is not None or (frame.mask is None and image_info(frame.path).alpha)


def _written(job: Job, root: Path, target: Target) -> Frame:
    """The frame as it is in the new data set."""
    return replace(
        job.frame,
        name=job.name,
        camera=job.camera,
        path=root / job.name,
        mask=None if job.mask is None else root / job.mask,
        mask_use="skip" if target.cut_by_alpha else "cut",
    )


def _sparse(capture: Capture, jobs: list[Job]) -> Sparse | None:
    """What is known of the points; where they are seen only if no picture was resampled."""
    resampled = any(job.change == "resampled" for job in jobs)
    sparse = capture.sparse
    return sparse._replace(sightings=None) if sparse and resampled else sparse


def _changes(jobs: list[Job]) -> list[str]:
    """In words, what happened to pictures that could not stay as they are."""
    said: dict[Change, str] = {
        "turned": "turned as EXIF asks",
        "cut out": "got their masks as alpha (PNG)",
        "as PNG": "written as PNG, which the format asks for",
    }
    counts = Counter(job.change for job in jobs)
    changes = [
        f"{counts[c]} of {len(jobs)} images {words}" for c, words in said.items() if counts[c]
    ]
    moved = [job for job in jobs if job.change == "resampled"]
    if moved:
        lenses = {(intrinsics(job.frame.camera), intrinsics(job.camera)): job for job in moved}
        shares = [kept_share(job.frame.camera, job.camera) for job in lenses.values()]
        bent = sum(not job.frame.camera.pinhole for job in moved)
        why = "lens distortion undone" if bent == len(moved) else "brought to the view it can have"
        least = f" (of one {min(shares):.0%})" if min(shares) < np.mean(shares) - 0.005 else ""
        changes.append(
            f"{len(moved)} of {len(jobs)} images resampled (PNG), {why}; "
            f"{np.mean(shares):.0%} of their view is kept{least}"
        )
    return changes


def _losses(
    capture: Capture, frames: tuple[Frame, ...], holds: frozenset[Content]
) -> tuple[str, ...]:
    """In words, what the capture has and is not held by what was written."""
    held_out = sum(frame.split != "train" for frame in frames)
    skipped = sum(frame.skipped is not None for frame in frames)
    points = 0 if capture.points is None else len(capture.points)
    sparse = capture.sparse or Sparse()
    had: dict[Content, str] = {
        "points": f"the {points:,} sparse points" if points else "",
        "colors": "the colours of the points" if points and sparse.colors is not None else "",
        "sightings": "which images show which points" if points and sparse.sightings else "",
        "ball": "the ball of the subject" if capture.ball else "",
        "depths": "the depths of the nearest and farthest content" if capture.nearest else "",
        "splits": f"which {held_out} images are for test or validation" if held_out else "",
        "masks": f"{skipped} masks that leave pixels out of training" if skipped else "",
        "names": "the names of the images (numbered in the order of their names)",
    }
    if points and "points" not in holds:
        had["colors"] = had["sightings"] = ""  # that goes without saying
    return tuple(what for content, what in had.items() if what and content not in holds)
