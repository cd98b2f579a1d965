"""A quick look at every picture: how sharp, how bright, and a thumbnail of it and its mask."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from rayfield.core.check import DataError
from rayfield.data.images import glance, shrink
from rayfield.data.photo import SOLID
from rayfield.data.scene import Frame
from rayfield.kernels.pool import available_cores

SIDE = 400  # pixels of the longer side at which sharpness is measured
SMALL = 100  # and of what is kept
MOST = 20_000  # pictures that are looked at: what is kept of each takes some 30 KB
TINY = 16  # a side of what tells copies
OPAQUE = 250  # of 255
FEWEST, FEWEST_EDGES = 100, 1000  # pixels that tell brightness, sharpness
ENOUGH = 10_000  # pixels for percentiles
LEVELS = (25, 50, 75, 95)


class Look(NamedTuple):
    """What a picture looks like.

    `sharpness`: variance of the Laplacian of grey levels over their own variance; `levels`:
    percentiles LEVELS of its grey levels, 0 to 255; both of the pixels that alpha or mask keep, NaN
    of too few.
    `small`: RGB, about 100 pixels wide; `kept`: its alpha or mask (255 kept), None without either;
    `tiny`: 16x16, by which copies are told. `carries`: whether the file itself has alpha.
    """

    sharpness: float
    levels: tuple[float, ...]
    small: UInt8[np.ndarray, "h w 3"]
    kept: UInt8[np.ndarray, "h w"] | None
    tiny: UInt8[np.ndarray, "16 16 3"]
    carries: bool


Looked = dict[str, Look]
Troubled = dict[str, str]


def look_at(
    frames: tuple[Frame, ...], *, progress: Callable[[float], None] = lambda done: None
) -> tuple[Looked, Troubled]:
    """Looks by the names of pictures, and what is wrong with those that cannot be decoded.

    Of more than MOST pictures, evenly spread ones are looked at.
    """
    looks: Looked = {}
    troubles: Troubled = {}
    frames = tuple({frame.name: frame for frame in frames}.values())
    frames = frames[:: -(-len(frames) // MOST)] if frames else frames

    def one(frame: Frame) -> Look | str:
        try:
            return look(frame)
        except DataError as error:
            return f"{error.path.name} {error.what}"

    with ThreadPoolExecutor(max(2, available_cores())) as threads:
        for done, (frame, found) in enumerate(zip(frames, threads.map(one, frames), strict=True)):
            if isinstance(found, str):
                troubles[frame.name] = found
            else:
                looks[frame.name] = found
            progress((done + 1) / len(frames))
    return looks, troubles


def look(frame: Frame) -> Look:
    """Look at one picture. Raises DataError where it, or its mask, cannot be decoded."""
    size = (frame.camera.width, frame.camera.height)
    pixels = glance(frame.path, side=SIDE, size=size, upright=frame.upright)
    carries = pixels.shape[-1] == 4
    keep = pixels[..., 3] if carries else None
    if frame.mask is not None:
        mask = glance(frame.mask, side=SIDE, size=size)[..., 0]
        keep = _resized(mask, pixels.shape[:2])
    grey = pixels[..., :3] @ np.full(3, 1 / 3, np.float32)
    solid = np.ones(grey.shape, bool) if keep is None else keep >= OPAQUE
    factor = max(1, -(-max(grey.shape) // SMALL))
    small = shrink(pixels, factor)
    kept = None if keep is None else shrink(keep[..., None], factor)[..., 0]
    return Look(
        sharpness(grey, solid),
        _levels(grey[solid]),
        small[..., :3],
        kept,
        _resized(small[..., :3], (TINY, TINY)),
        carries,
    )


def sharpness(grey: Float[np.ndarray, "H W"], solid: Bool[np.ndarray, "H W"]) -> float:
    """Variance of the Laplacian over the variance, where a pixel and its neighbours are solid."""
    if min(grey.shape) < 3:
        return float("nan")
    middle = grey[1:-1, 1:-1]
    edges = 4 * middle - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    inner = solid[1:-1, 1:-1] & solid[:-2, 1:-1] & solid[2:, 1:-1] & solid[1:-1, :-2]
    inner &= solid[1:-1, 2:]
    if inner.sum() < FEWEST_EDGES:
        return float("nan")
    return float(edges[inner].var() / max(float(middle[inner].var()), 1.0))


def _levels(grey: Float[np.ndarray, " P"]) -> tuple[float, ...]:
    if len(grey) < FEWEST:
        return (float("nan"),) * len(LEVELS)
    return tuple(float(level) for level in np.percentile(grey[:: -(-len(grey) // ENOUGH)], LEVELS))


def subject_share(look: Look) -> float:
    """Which part of a picture its mask or alpha keeps; 1 without either."""
    return 1.0 if look.kept is None else float((look.kept >= SOLID).mean())


def _resized(image: UInt8[np.ndarray, "H W *C"], shape: tuple[int, ...]) -> np.ndarray:
    """The pixels nearest to those of another size."""
    row, column = (
        ((np.arange(new) + 0.5) * old / new).astype(np.int64)
        for new, old in zip(shape, image.shape[:2], strict=True)
    )
    return np.ascontiguousarray(image[row[:, None], column])
