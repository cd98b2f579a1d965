"""The pictures and masks of a converted data set: copied, linked, or written anew as PNG."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from rayfield.core.check import DataError
from rayfield.core.types import Camera
from rayfield.data.images import image_info, mask_pixels, read_image
from rayfield.data.rectify import resampled, same_lens
from rayfield.data.scene import Frame

PNG = b"\x89PNG\r\n\x1a\n"
COMPRESSION = 4  # of 9: hardly larger than the default, in half of the time

Change = Literal["copied", "linked", "turned", "cut out", "as PNG", "resampled"]


class Job(NamedTuple):
    """A picture to bring into another data set: its frame, why it changes, the camera it gets.

    `cut`: its mask is to become alpha. `mask` is where its mask goes, if it goes along.
    """

    frame: Frame
    change: Change
    camera: Camera
    name: str
    cut: bool
    mask: str | None


def change_of(frame: Frame, camera: Camera, *, png: bool, cut: bool) -> Change:
    """Why a picture cannot stay as it is; "copied" if it can."""
    if not same_lens(frame.camera, camera):
        return "resampled"
    info = image_info(frame.path)
    if frame.upright or (info.width, info.height) != (camera.width, camera.height):
        return "turned"  # as EXIF asks
    if cut and frame.cutout is not None:
        return "cut out"
    return "as PNG" if png and not _is_png(frame.path) else "copied"


def _is_png(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix == ".png" and file.read(len(PNG)) == PNG


def bring(job: Job, root: Path, *, link: bool) -> Change:
    """Put a picture and its mask into a folder; what happened to the picture.

    Raises DataError for pictures that cannot be read, OSError for those that cannot be written.
    """
    frame, target = job.frame, root / job.name
    target.parent.mkdir(parents=True, exist_ok=True)
    if job.mask is not None:
        _bring_mask(job, root / job.mask)
    if job.change == "copied":
        return _place(frame.path, target, link=link)
    camera = frame.camera
    size = (camera.width, camera.height)
    cutout = frame.cutout if job.cut else None
    pixels = read_image(frame.path, size=size, cutout=cutout, upright=frame.upright)
    if job.change == "resampled":
        pixels = resampled(pixels, camera, job.camera)
    write_png(target, pixels)
    return job.change


def _place(source: Path, target: Path, *, link: bool) -> Change:
    """Copy a file, or link it where the file system can."""
    if link:
        with contextlib.suppress(OSError):
            os.link(source.resolve(), target)
            return "linked"
    shutil.copyfile(source, target)
    return "copied"


def _bring_mask(job: Job, target: Path) -> None:
    """Write a picture's mask, or its alpha, as 8-bit grey where it belongs."""
    frame, camera = job.frame, job.frame.camera
    target.parent.mkdir(parents=True, exist_ok=True)
    if frame.mask is None:
        size = (camera.width, camera.height)
        grey = read_image(frame.path, size=size, upright=frame.upright)[..., 3]
    else:
        grey = mask_pixels(frame.mask)
    if grey.shape != (camera.height, camera.width):
        what = f"is {grey.shape[1]}x{grey.shape[0]}, its picture {camera.width}x{camera.height}"
        raise DataError(frame.mask or frame.path, what, "make both the same size")
    if job.change == "resampled":
        grey = resampled(np.ascontiguousarray(grey)[..., None], camera, job.camera)[..., 0]
    write_png(target, grey)


def write_png(path: Path, pixels: UInt8[np.ndarray, "H W *C"]) -> None:
    """Write 8-bit pixels, grey, RGB or RGBA. Raises OSError."""
    Image.fromarray(pixels).save(path, format="PNG", compress_level=COMPRESSION)
