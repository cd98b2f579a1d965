"""HEIC photos, as iPhones take them, through pillow-heif, where it is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from rayfield.core.check import DataError
from rayfield.data.imagefile import MAX_PIXELS

SUFFIXES = (".heic", ".heif", ".hif")
FORMAT = "HEIF"


def is_heic(path: Path) -> bool:
    """Whether a file is to be read as HEIC, by its name."""
    return path.suffix.lower() in SUFFIXES


def require_heif(paths: Iterable[Path]) -> None:
    """Raise DataError if there are HEIC photos and nothing to read them with."""
    first = next((path for path in paths if is_heic(path)), None)
    if first is not None and importlib.util.find_spec("pillow_heif") is None:
        fix = "convert such photos to JPEG, or: pip install pillow-heif"
        raise DataError(first, "is HEIC, which needs pillow-heif", fix)


def register() -> None:
    """Let Pillow open HEIC files, upright already, in this process."""
    import pillow_heif

    pillow_heif.register_heif_opener()


def read_heic(path: Path) -> UInt8[np.ndarray, "H W C"]:
    """The upright pixels of a HEIC photo, RGB or RGBA. Raises DataError if it cannot be read."""
    register()
    try:
        with Image.open(path, formats=(FORMAT,)) as image:
            if image.width * image.height > MAX_PIXELS:
                what = f"claims more than {MAX_PIXELS // 10**6} million pixels"
                raise DataError(path, what, "shrink or remove it")
            return np.array(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    except DataError:
        raise
    except Exception as error:  # libheif and Pillow raise many kinds on damaged files
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        what = f"cannot be decoded ({reason})"
        raise DataError(path, what, "copy it again or remove it") from None
