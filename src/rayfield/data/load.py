"""A data set to a scene: how much of it fits into memory, and the normalised frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from rayfield.core.check import DataError, UsageError
from rayfield.core.types import Camera, ExifUse, MaskUse
from rayfield.data.detect import read_capture
from rayfield.data.images import image_info
from rayfield.data.masks import used
from rayfield.data.normalise import normalise
from rayfield.data.scene import Frame, Scene, hold_out_test, intrinsics
from rayfield.math.rays import camera_directions

BYTES_LIMIT = 1_500_000_000
LENS_CHECKS = 17


def load_scene(
    path: Path, *, downscale: int = 1, masks: MaskUse | None = None, exif: ExifUse = "ignore"
) -> Scene:
    """Read a data set of posed pictures and normalise it; its format is told from its files.

    `path` is a folder, or a file of cameras in one (see detect.py). `downscale` averages pictures
    over blocks of that many pixels squared; where the training pictures would take more than 1.5 GB
    it is raised, and a note says so. `masks` is what masks are for; None: what they are for in data
    of this format. `exif`: whether pictures are turned as EXIF asks where no size tells if their
    cameras are those of the turned ones. Pictures are decoded later, by those who need them.
    Raises DataError for input that cannot be used.
    """
    if downscale < 1:
        raise UsageError(f"downscale is {downscale}; give 1 or more")
    capture = read_capture(path)
    frames, masking = used(capture, masks)
    frames, held = hold_out_test(frames)
    frames, turning = stood(frames, exif)
    notes = [*capture.notes, *(note for note in (masking, held, turning) if note)]
    notes.extend(check_lenses(capture.root, frames))
    factor = _affordable(frames, downscale)
    if factor > downscale:
        notes.append(
            f"images reduced {factor} times (--downscale {factor}) to keep the training pixels "
            f"below {BYTES_LIMIT / 1e9:.1f} GB"
        )
    reduced = tuple(_reduced(frame, factor) for frame in frames)
    scene = normalise(replace(capture, frames=reduced, notes=tuple(notes)))
    return replace(scene, source=path)


def _affordable(frames: tuple[Frame, ...], downscale: int) -> int:
    """The smallest factor, at least `downscale`, whose decoded training pictures fit."""
    training = [frame.camera for frame in frames if frame.split == "train"]
    lenses = {intrinsics(camera): camera for camera in training}
    # RGBA a pixel, and three floats for each pixel of each distinct lens that distorts
    size = 4 * sum(camera.width * camera.height for camera in training)
    size += 12 * sum(c.width * c.height for c in lenses.values() if not c.pinhole)
    while size / downscale**2 > BYTES_LIMIT:
        downscale += 1
    return downscale


def _reduced(frame: Frame, factor: int) -> Frame:
    """The frame of a picture averaged over blocks of factor^2 pixels."""
    camera = frame.camera
    width, height = camera.width // factor, camera.height // factor
    if width < 1 or height < 1:
        what = f"is {camera.width}x{camera.height} pixels: nothing is left at downscale {factor}"
        raise DataError(frame.path, what, "use a smaller downscale or a larger picture")
    small = replace(
        camera,
        width=width,
        height=height,
        fx=camera.fx / factor,
        fy=camera.fy / factor,
        cx=camera.cx / factor,
        cy=camera.cy / factor,
    )
    return replace(frame, camera=small, downscale=factor)


def stood(frames: tuple[Frame, ...], exif: ExifUse) -> tuple[tuple[Frame, ...], str | None]:
    """The frames, and a note on pictures that EXIF asks to turn where no size tells whether their
    cameras want it; with "apply" those are `upright`.
    """
    asking = [_asks_in_vain(frame) for frame in frames]
    if not any(asking):
        return frames, None
    how = "their pixels are taken as stored (--exif apply turns them)"
    if exif == "apply":
        frames = tuple(
            replace(frame, upright=asks) for frame, asks in zip(frames, asking, strict=True)
        )
        how = "they are turned as it asks (--exif apply)"
    return frames, f"{sum(asking)} images have an EXIF orientation that sizes do not tell: {how}"


def _asks_in_vain(frame: Frame) -> bool:
    """Whether EXIF asks to turn a picture in a way that does not swap its sides, or equal ones."""
    info = image_info(frame.path)
    return info.orientation > 1 and (info.width == info.height or not info.swapped)


def check_lenses(root: Path, frames: tuple[Frame, ...]) -> list[str]:
    """Notes on odd principal points; DataError for a lens that folds within its picture."""
    notes = []
    for name, camera in {intrinsics(f.camera): (f.name, f.camera) for f in frames}.values():
        lens = (camera.fx, camera.fy, camera.cx, camera.cy)
        if min(lens[:2]) < 1e-3 or max(np.abs(lens)) > 1e6:
            what = f"frame {name!r}: no camera has fx, fy, cx, cy = {lens} pixels"
            raise DataError(root, what, "calibrate again")
        if _folds(camera):
            what = f"frame {name!r}: the lens distortion {camera.distortion} folds the picture over"
            raise DataError(root, what, "calibrate again or leave the distortion out")
        if not (0 <= camera.cx <= camera.width and 0 <= camera.cy <= camera.height):
            notes.append(f"{name}: the principal point lies outside the picture")
    return notes


def _folds(camera: Camera) -> bool:
    """Whether some pixel of a 17x17 grid up to the borders has no ray."""
    x = torch.linspace(0, camera.width, LENS_CHECKS, dtype=torch.float64)
    y = torch.linspace(0, camera.height, LENS_CHECKS, dtype=torch.float64)
    pixels = torch.cartesian_prod(x, y)
    return bool(camera_directions(camera, pixels).isnan().any())
