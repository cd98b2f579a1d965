"""Image files to uint8 arrays, whatever the file holds and however hostile it is."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageOps

from rayfield.core.check import DataError
from rayfield.data.imagefile import QUARTER_TURNS, damaged, open_image, orientation

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".avif")


class ImageInfo(NamedTuple):
    """What a file's header tells: stored size, whether it carries alpha, whether EXIF swaps its
    sides; EXIF's orientation, 1 (as stored) where there is none or an impossible one."""

    width: int
    height: int
    alpha: bool
    swapped: bool
    orientation: int = 1


def image_info(path: Path) -> ImageInfo:
    """Size, alpha and EXIF quarter turn of an image file, without decoding its pixels.

    Raises DataError for a file that is not a readable image or exceeds the pixel budget.
    """
    with open_image(path) as image:
        alpha = image.has_transparency_data
        turn = orientation(image)
        return ImageInfo(image.width, image.height, alpha, turn in QUARTER_TURNS, turn)


def _pixels(path: Path, image: Image.Image) -> UInt8[np.ndarray, "H W C"]:
    """8-bit RGB or RGBA pixels of a decoded image of any mode."""
    if image.mode.startswith("I"):  # 16-bit greys; Pillow would clip them at 255
        grey = np.asarray(image).astype(np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise DataError(path, "holds integers beyond 16 bits", "save it with 8 bits a channel")
        return np.repeat(((grey * 255 + 32767) // 65535).astype(np.uint8)[..., None], 3, axis=-1)
    if image.mode == "F":
        raise DataError(path, "holds floating-point pixels", "save it with 8 bits a channel")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return np.array(image if image.mode == mode else image.convert(mode))


def shrink(image: UInt8[np.ndarray, "H W C"], factor: int) -> UInt8[np.ndarray, "h w C"]:
    """Average blocks of factor x factor pixels; colour is weighted by alpha where there is alpha.

    Rows and columns that fill no whole block are left out, so intrinsics just divide by `factor`.
    """
    height, width, channels = image.shape
    h, w = height // factor, width // factor
    total = np.zeros((h, w, channels), np.float32)
    weighted = channels == 4
    for row in range(factor):
        for column in range(factor):
            block = image[row : h * factor : factor, column : w * factor : factor]
            block = block.astype(np.float32)
            if weighted:
                block[..., :3] *= block[..., 3:]
            total += block
    if weighted:
        total[..., :3] /= np.maximum(total[..., 3:], 1.0)
        total[..., 3] /= factor**2
    else:
        total /= factor**2
    return (total + 0.5).astype(np.uint8)


def read_image(
    path: Path,
    *,
    size: tuple[int, int] | None = None,
    downscale: int = 1,
    cutout: Path | None = None,
    upright: bool = False,
) -> UInt8[np.ndarray, "H W C"]:
    """Decode an image file to RGB or straight-alpha RGBA, averaged over downscale^2 blocks.

    `size` is the (width, height) wanted after downscaling. The pixels are taken as stored; only
    where `size` fits the EXIF-turned picture and not the stored one, or all are wanted `upright`,
    is it turned. Greys become RGB, palettes and CMYK are converted, 16 bits are rounded to 8, of an
    animation the first frame is taken, colour profiles are ignored. The brightness of the mask
    `cutout` becomes alpha, in place of the picture's own. Raises DataError for anything else.
    """
    with open_image(path) as image:
        try:
            image.load()
            swapped = orientation(image) in QUARTER_TURNS
            if size is not None and not _fits(image.size, size, downscale) and swapped:
                upright |= _fits((image.height, image.width), size, downscale)
            if upright and orientation(image) > 1:
                image = ImageOps.exif_transpose(image)
        except Exception as error:  # as in open_image
            raise damaged(path, error) from None
        if size is not None and not _fits(image.size, size, downscale):
            got = "x".join(str(n // downscale) for n in image.size)
            raise DataError(
                path,
                f"is {got} pixels where {size[0]}x{size[1]} are expected",
                "do not change images after the scene was read",
            )
        pixels = _pixels(path, image)
    if cutout is not None:
        pixels = np.dstack([pixels[..., :3], _brightness(cutout, pixels.shape[:2])])
    return pixels if downscale == 1 else shrink(pixels, downscale)


def glance(
    path: Path, *, side: int, size: tuple[int, int], upright: bool = False
) -> UInt8[np.ndarray, "H W C"]:
    """An image file at a small size, RGB or RGBA: its longer side is `side` or up to twice that.

    Where the file is smaller, it is as it is. JPEG is decoded no finer than needed. `size` is the
    (width, height) of the whole picture: it is turned as EXIF asks if only so it has that shape,
    or wanted `upright`.
    Raises DataError as `read_image` does.
    """
    with open_image(path) as image:
        try:
            if image.format == "JPEG":
                part = side / max(image.size)
                image.draft("RGB", (int(image.width * part) + 1, int(image.height * part) + 1))
            image.load()
            lying = (image.width < image.height) != (size[0] < size[1])
            if upright or (lying and orientation(image) in QUARTER_TURNS):
                image = ImageOps.exif_transpose(image)
        except Exception as error:  # as in open_image
            raise damaged(path, error) from None
        pixels = _pixels(path, image)
    factor = max(pixels.shape[:2]) // side
    return pixels if factor < 2 else shrink(pixels, factor)


def _fits(stored: tuple[int, int], size: tuple[int, int], downscale: int) -> bool:
    return (stored[0] // downscale, stored[1] // downscale) == size


def mask_pixels(path: Path) -> UInt8[np.ndarray, "H W"]:
    """How bright a mask is, however it was saved.

    Of colours the greatest channel, so that a mask means the same in RGB and BGR; of a mask with
    alpha, what that leaves, or alpha itself if all else is of one colour. Where nothing is brighter
    than 1, that is white.
    """
    pixels = read_image(path)
    grey = pixels[..., :3].max(axis=-1)
    if pixels.shape[-1] == 4:
        alpha = pixels[..., 3]
        plain = bool((pixels[..., :3] == pixels[:1, :1, :3]).all())
        tells = plain and bool((alpha != alpha[0, 0]).any())
        grey = alpha if tells else np.minimum(grey, alpha)
    return grey * np.uint8(255) if grey.max() == 1 else grey


def _brightness(mask: Path, shape: tuple[int, ...]) -> UInt8[np.ndarray, "H W"]:
    grey = mask_pixels(mask)
    if grey.shape != shape:
        got, wanted = (f"{width}x{height}" for height, width in (grey.shape, shape))
        raise DataError(mask, f"is a {got} mask for a {wanted} picture", "make both the same size")
    return grey


def read_mask(path: Path, *, size: tuple[int, int], downscale: int = 1) -> Bool[np.ndarray, "H W"]:
    """Which pixels a mask image keeps: black ones (below 128) are ignored.

    `size` as in `read_image`; after downscaling a pixel is kept only if its whole block is.
    """
    keep = mask_pixels(path) >= 128
    if not _fits((keep.shape[1], keep.shape[0]), size, downscale):
        got = f"{keep.shape[1] // downscale}x{keep.shape[0] // downscale}"
        raise DataError(
            path, f"is a {got} mask for a {size[0]}x{size[1]} picture", "make both the same size"
        )
    keep = keep[: size[1] * downscale, : size[0] * downscale]
    blocks = keep.reshape(size[1], downscale, size[0], downscale)
    return np.asarray(blocks.all(axis=(1, 3)))
