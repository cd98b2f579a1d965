"""Image files opened with distrust: formats, sizes and EXIF are looked at before any pixel."""

from __future__ import annotations

import os
import threading
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from rayfield.core.check import DataError

MAX_PIXELS = 128_000_000
# an explicit list keeps out the formats that start other programs (EPS) or nest files
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF")
ORIENTATION_TAG = 0x0112
QUARTER_TURNS = (5, 6, 7, 8)
# what ISO media files of photos begin with, after 4 bytes, and names of raw photos
PHONE_BRANDS = (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1", b"ftyphevc")
RAW_SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2")
PNG = b"\x89PNG\r\n\x1a\n"
PIXEL_CHUNKS = (b"IDAT", b"fdAT", b"fcTL")
# Texts and profiles, each of which Pillow unpacks, to 1 MB at most but not all of them counted
MOST_CHUNKS = 128
# filters of `warnings` are global: one thread at a time may silence Pillow
_SILENCE = threading.Lock()


def open_image(path: Path) -> Image.Image:
    """The header of an image file within the pixel budget; decoding is left to the caller.

    Raises DataError for anything else.
    """
    if not path.is_file():
        raise DataError(path, "is not a file", "restore the image or take it out of the data set")
    try:
        _check_chunks(path)
        with _SILENCE, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(path, formats=FORMATS)
    except DataError:
        raise
    except UnidentifiedImageError:
        raise _unknown(path) from None
    except Image.DecompressionBombError:
        raise _too_large(path) from None
    except Exception as error:  # Pillow's parsers raise many kinds on damaged headers
        raise damaged(path, error) from None
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise _too_large(path)
    return image


def _check_chunks(path: Path) -> None:
    """Raise DataError for a PNG with more chunks beside its pixels than any program writes.

    Looks at their heads alone, so that none is unpacked.
    """
    others = 0
    with path.open("rb", buffering=0) as file:
        if file.read(len(PNG)) != PNG:
            return
        while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
            others += head[4:] not in PIXEL_CHUNKS
            if others > MOST_CHUNKS:
                what = f"holds more than {MOST_CHUNKS} chunks of text and other things"
                raise DataError(path, what, "save it again without them, or remove it")
            file.seek(int.from_bytes(head[:4]) + 4, os.SEEK_CUR)


def _unknown(path: Path) -> DataError:
    """Why a file is no image; of photos as phones and cameras store them, what to do."""
    with path.open("rb") as file:
        head = file.read(12)
    if not head:
        return DataError(path, "is empty (0 bytes)", "restore the image or remove it")
    for found, kind in (
        (head[4:] in PHONE_BRANDS, "a HEIC photo"),
        (path.suffix.lower() in RAW_SUFFIXES, "a raw photo"),
        (head.startswith(b"v/1\x01"), "an EXR picture"),
    ):
        if found:
            return DataError(path, f"is {kind}, which is not read", "save it as JPEG or PNG")
    what = "is not an image this version can read"
    return DataError(path, what, "replace it by a PNG, JPEG, WebP or TIFF file")


def _too_large(path: Path) -> DataError:
    return DataError(
        path, f"claims more than {MAX_PIXELS // 10**6} million pixels", "shrink or remove it"
    )


def damaged(path: Path, error: Exception) -> DataError:
    """What to raise for a picture whose decoder failed."""
    reason = " ".join(str(error).split())[:100] or type(error).__name__
    return DataError(path, f"cannot be decoded ({reason})", "copy it again or remove it")


def orientation(image: Image.Image) -> int:
    """How EXIF asks to turn or mirror a picture, from 1 (not) to 8; 1 for a damaged block."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # getexif would decode the whole picture to look behind it
    try:
        with _SILENCE, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = image.getexif().get(ORIENTATION_TAG)
    except Exception:  # as in open_image
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1
