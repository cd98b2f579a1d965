"""The verb `process` of the command line; see verbs.py."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from rayfield.app.command.display import Display
from rayfield.app.command.options import Common, Flag, Result

SHOWN = 5


@dataclass(frozen=True)
class Process(Common):
    """Find the camera poses of raw photos or of a video, and write a data set to train on."""

    source: Annotated[Positional[Path], arg(metavar="PHOTOS|VIDEO")]
    """folder of photos, or a video file"""
    output: Annotated[Path, arg(aliases=["-o"], metavar="DATA")]
    """new folder for the data set: images/ and sparse/0/, as COLMAP writes them"""
    camera: Literal["auto", "single", "per-image"] = "auto"
    """lenses: told by size and EXIF, one for all photos of a size, or one for each photo"""
    matching: Literal["auto", "sequential", "exhaustive"] = "auto"
    """compare neighbours, or all with all; auto begins as suits, and escalates where too few fit"""
    frames: Annotated[int, arg(metavar="N")] = 150
    """of a video: use at most so many frames, chosen by sharpness and motion"""
    min_registered: Annotated[float, arg(metavar="S")] = 0.8
    """stop if a smaller share of the images finds a pose"""
    allow_partial: Flag = False
    """keep however many images find a pose, and leave out files that cannot be read"""
    exif: Literal["apply", "ignore"] = "apply"
    """turn photos as their EXIF orientation says, or leave the pixels as they are stored"""
    seed: Annotated[int, arg(metavar="N")] = 0
    """seed of all randomness: for up to 200 images the same seed gives the same poses"""
    force: Flag = False
    """replace a data set that this verb wrote"""

    def run(self, display: Display) -> Result:
        """Find the poses."""
        from rayfield.app.process.job import Settings
        from rayfield.app.process.reconstruct import process

        settings = Settings(
            self.camera,
            self.matching,
            self.frames,
            self.min_registered,
            self.allow_partial,
            self.exif,
            self.seed,
        )
        found = process(
            self.source,
            self.output,
            settings,
            threads=self.threads or _cores(),
            force=self.force,
            display=display,
        )
        return Result(found, _text(found))


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def _text(found: dict[str, Any]) -> str:
    from rayfield.app.process.outcome import described, from_values

    lines = described(from_values(found))
    lost = found["failures"]
    if lost:
        names = ", ".join(failure["name"] for failure in lost[:SHOWN])
        more = " ..." * (len(lost) > SHOWN)
        lines.append(f"without a pose: {names}{more} (why: {found['data']}/process.json)")
    where = shlex.quote(found["data"])
    lines += [f"data: {found['data']}, in {found['seconds']:.0f} s"]
    lines += [f"next: rayfield train instant {where} -o RUN"]
    return "\n".join(lines)
