"""Files inside a data set: paths that cannot leave it, and cameras that fit their pictures."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from rayfield.core.check import DataError
from rayfield.core.types import Camera
from rayfield.data.images import SUFFIXES, ImageInfo


def contents(path: Path, *, limit: int) -> bytes:
    """The bytes of a file of at most `limit` bytes; DataError for anything else."""
    if not path.is_file():
        raise DataError(path, "is not a file", "check the folder of the data set")
    size = path.stat().st_size
    if size > limit:
        what = f"has {size // 10**6} MB where {limit // 10**6} MB are the limit"
        raise DataError(path, what, "split the data set")
    try:
        return path.read_bytes()
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
        raise DataError(path, reason, "check its permissions and the disk") from None


def existing_image(root: Path, name: str, listing: Path) -> Path | None:
    """The picture that `listing` names relative to `root`, with or without its suffix.

    The suffix may be in capitals in one place and not in the other. None where there is no such
    file. Raises DataError for a name that leads out of `root`: an absolute one elsewhere, one
    with a drive or host, with "..", or through a symbolic link.
    """
    cleaned = name.replace("\\", "/")
    here = root.absolute().as_posix() + "/"
    cleaned = cleaned.removeprefix(here)  # some tools write absolute names
    parts = [part for part in cleaned.split("/") if part not in ("", ".")]
    outside = cleaned.startswith("/") or re.match(r"[A-Za-z]:", cleaned) or ".." in parts
    if outside or not parts or "\0" in cleaned:
        raise _outside(name, listing)
    *folders, last = parts
    stem, dot, suffix = last.rpartition(".")
    if f".{suffix.lower()}" in SUFFIXES:
        names = [last, stem + dot + suffix.lower(), stem + dot + suffix.upper()]
    else:
        names = [last + suffix for suffix in ("", *SUFFIXES, *(s.upper() for s in SUFFIXES))]
    folder = os.path.join(root, *folders)
    for each in names:
        candidate = Path(folder, each)
        if not os.path.isfile(candidate):  # nor if the name is longer than the system allows
            continue
        if not candidate.resolve().is_relative_to(root.resolve()):
            raise _outside(name, listing)
        return candidate
    return None


def _outside(name: str, listing: Path) -> DataError:
    what = f"names the file {name!r:.200}, which is not inside the data set"
    return DataError(listing, what, "copy the file into the folder and name it relative to it")


def fit_to_image(camera: Camera, info: ImageInfo, path: Path) -> tuple[Camera, str | None]:
    """The camera in the pixels of its picture, and a remark if the sizes disagreed.

    The same shape at another size rescales the intrinsics (a rounding pixel is tolerated). A
    quarter turn that EXIF asks for is allowed for. Anything else raises DataError.
    """
    size = (info.width, info.height)
    wanted = (camera.width, camera.height)
    if size == wanted or (size[::-1] == wanted and info.swapped):
        return camera, None
    for width, height in (size, size[::-1]) if info.swapped else (size,):
        ratio = max(width, height) / max(wanted)
        if abs(width - ratio * wanted[0]) <= 1 and abs(height - ratio * wanted[1]) <= 1:
            sx, sy = width / wanted[0], height / wanted[1]
            fitted = replace(
                camera,
                width=width,
                height=height,
                fx=camera.fx * sx,
                fy=camera.fy * sy,
                cx=camera.cx * sx,
                cy=camera.cy * sy,
            )
            sizes = f"{width}x{height} for intrinsics of {wanted[0]}x{wanted[1]}"
            return fitted, f"are {sizes} (intrinsics rescaled)"
    turned = size[::-1] == wanted
    raise DataError(
        path,
        f"is {size[0]}x{size[1]} pixels, but its camera is {wanted[0]}x{wanted[1]}",
        "turn the picture by 90 degrees" if turned else "use the pictures the poses were found on",
    )
