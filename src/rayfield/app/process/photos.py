"""Upright copies of raw photos that every tool reads, and what their EXIF blocks tell.

EXIF's orientation is applied to the pixels once, and is gone from the copy. Photos that are
upright JPEG or PNG files with 8 bits a channel are copied byte for byte.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from rayfield.app.process import heic
from rayfield.data.imagefile import FORMATS, ORIENTATION_TAG
from rayfield.data.images import read_image

EXIF_BLOCK, FOCAL_35, MODEL_TAG = 0x8769, 0xA405, 0x0110
FILM_DIAGONAL = 43.267  # mm: EXIF's equivalent focal length is that of 36x24 mm film
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
KEPT = {"JPEG": (".jpg", ".jpeg"), "PNG": (".png",)}
KEPT_MODES = ("L", "LA", "RGB", "RGBA")
LOSSY = ("JPEG", "WEBP", "AVIF", heic.FORMAT)
QUALITY = 95


class Picture(NamedTuple):
    """A picture to find the pose of: its name below images/, size, and what tells its lens.

    `focal`: the focal length in pixels that EXIF tells, or None. Pictures of equal `lens` were
    taken through the same one, as far as their files tell.
    """

    name: str
    width: int
    height: int
    focal: float | None = None
    lens: str = ""


class Exif(NamedTuple):
    """What a photo's EXIF block tells: how to turn it, its equivalent focal length, its camera."""

    orientation: int = 1
    focal_35: float | None = None
    model: str = ""


def prepare(path: Path, name: str, folder: Path, *, turn: bool = True) -> Picture:
    """Write the upright copy of a photo into `folder` under (about) its `name`.

    With `turn` False the pixels stay as they are stored. Raises DataError if it cannot be decoded.
    """
    pixels, kind, mode = _decoded(path)
    exif = read_exif(path)
    turned = TURNS.get(exif.orientation)
    same = turned is None and mode in KEPT_MODES and path.suffix.lower() in KEPT.get(kind, ())
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    height, width = pixels.shape[:2]
    if same and not target.exists():
        shutil.copyfile(path, target)
    else:
        picture = Image.fromarray(pixels)
        picture = picture.transpose(turned) if turned is not None and turn else picture
        target = _write(picture, target, lossy=kind in LOSSY)
        width, height = picture.size
    focal = exif.focal_35 and exif.focal_35 * float(np.hypot(width, height)) / FILM_DIAGONAL
    lens = f"{width}x{height} {exif.model} {exif.focal_35 or ''}".strip()
    return Picture(target.relative_to(folder).as_posix(), width, height, focal, lens)


def _decoded(path: Path) -> tuple[UInt8[np.ndarray, "H W C"], str, str]:
    """A photo's pixels as stored, and the kind and mode of its file. Raises DataError."""
    if heic.is_heic(path):
        return heic.read_heic(path), heic.FORMAT, ""
    pixels = read_image(path)
    with Image.open(path, formats=FORMATS) as image:
        return pixels, image.format or "", image.mode


def _write(picture: Image.Image, target: Path, *, lossy: bool) -> Path:
    """Save as JPEG what was JPEG-like without alpha, else as PNG; a suffix is added if need be."""
    jpeg = lossy and picture.mode == "RGB"
    fitting = KEPT["JPEG" if jpeg else "PNG"]
    while target.suffix.lower() not in fitting or target.exists():
        target = target.with_name(target.name + fitting[0])
    if jpeg:
        picture.save(target, "JPEG", quality=QUALITY, subsampling=0)
    else:
        picture.save(target, "PNG")
    return target


def read_exif(path: Path) -> Exif:
    """The EXIF block of a picture; what is missing, damaged or out of range counts as not there."""
    formats = (heic.FORMAT,) if heic.is_heic(path) else FORMATS
    try:
        with Image.open(path, formats=formats) as image:
            if image.format == "PNG" and "exif" not in image.info:
                return Exif()  # getexif would decode the whole picture to look behind it
            block = image.getexif()
            orientation = block.get(ORIENTATION_TAG, 1)
            focal = float(block.get_ifd(EXIF_BLOCK).get(FOCAL_35) or 0)
            model = str(block.get(MODEL_TAG, ""))[:64].strip("\0 ")
    except Exception:  # Pillow's parsers raise many kinds on damaged blocks
        return Exif()
    return Exif(
        orientation if orientation in TURNS else 1, focal if 1 <= focal <= 5000 else None, model
    )
