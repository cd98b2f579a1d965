"""Pictures and files as text that a page holds in itself."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from rayfield.app.report.markup import Markup, tag

SIDE = 480  # pixels along the longer side of a picture
QUALITY = 90
MOST_PIXELS = 2**26  # of a picture file that is opened


def data_address(data: bytes, kind: str) -> str:
    """The address of a file that lies in the address itself."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def encoded(picture: UInt8[np.ndarray, "H W 3"], side: int = SIDE) -> bytes:
    """A JPEG of a picture, reduced to `side` pixels along its longer side if it is larger."""
    return _jpeg(Image.fromarray(picture), side)


def reencoded(path: Path, side: int = SIDE) -> bytes | None:
    """A picture file of a run, in the same way; None if it is not there or cannot be read."""
    try:
        with Image.open(path) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            return _jpeg(image.convert("RGB"), side)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


def image(data: bytes, alt: str, *, pixelated: bool = False) -> Markup:
    """An element that shows a JPEG."""
    with Image.open(io.BytesIO(data)) as opened:
        width, height = opened.size
    attributes: dict[str, object] = {"src": data_address(data, "image/jpeg"), "alt": alt}
    size = {"width": width, "height": height, "class": "small" if pixelated else None}
    return Markup(str(tag("img", "", attributes | size)).removesuffix("</img>"))


def _jpeg(picture: Image.Image, side: int) -> bytes:
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.save(file, "JPEG", quality=QUALITY, subsampling=0, optimize=True)
    return file.getvalue()
