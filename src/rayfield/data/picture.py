"""One picture or signal to learn from: read, split, sampled.

Pictures come from image files and from .npy and .npz arrays. Values lie in [0, 1]. A picture may
have a mask, an image of the same size whose black pixels are unknown.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from rayfield.core.check import DataError, UsageError
from rayfield.data import arrays
from rayfield.data.images import SUFFIXES, read_image, read_mask
from rayfield.math.lattice import extent_of, lattice

MOST_PIXELS = 2**24
EXPECTED = f"give one picture ({' '.join(SUFFIXES)}) or an array (.npy .npz)"
Part = Literal["all", "train", "test"]


class PictureTraits(NamedTuple):
    """What a method may know before it is built; a signal has height 1."""

    height: int
    width: int
    channels: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape of the array of samples, without channels: one axis for a signal."""
        return (self.height, self.width) if self.height > 1 else (self.width,)

    def batch(self, *, held_out: bool) -> int:
        """Samples of the largest batch: all there are to learn from."""
        return math.prod(-(-size // 2) if held_out else size for size in self.sizes)


class PictureBatch(NamedTuple):
    """Samples to learn: where (in [0, 1), coordinates in the order of the array's axes), what,
    and whether the mask lets it be known."""

    points: Float[Tensor, "N D"]
    values: Float[Tensor, "N C"]
    keep: Bool[Tensor, " N"]


@dataclass(frozen=True)
class Picture:
    """A picture [H W C], or a signal [1 W C], with values in [0, 1].

    `low`, `high`: what 0 and 1 stand for in the file. `keep` is False where the mask is black.
    `fingerprint` is the sha256 of values and mask.
    """

    path: Path
    traits: PictureTraits
    values: Float[Tensor, "H W C"]
    keep: Bool[Tensor, "H W"]
    low: float
    high: float
    downscale: int
    notes: tuple[str, ...]
    fingerprint: str

    def indices(self, part: Part) -> Int[Tensor, " N"]:
        """Flat indices of the samples of a part.

        "train": those in even rows and even columns, "test": odd rows and odd columns (Tancik et
        al. 2020, Sec. 6); of a signal the even and the odd samples.
        """
        height, width = self.traits.height, self.traits.width
        every = torch.arange(height * width).reshape(height, width)
        if part == "all":
            return every.flatten()
        start = int(part == "test")
        return every[(start if height > 1 else 0) :: 2, start::2].flatten()


class PictureSampler:
    """Random samples of a picture, spread evenly over it; all of them, in order, if so many are
    asked for. With `held_out` only from the part "train"."""

    def __init__(self, picture: Picture, *, held_out: bool = False) -> None:
        traits = picture.traits
        self.indices = picture.indices("train" if held_out else "all")
        self._points = lattice(traits.sizes, extent_of(traits.sizes))[self.indices]
        self._values = picture.values.reshape(-1, traits.channels)[self.indices]
        self._keep = picture.keep.reshape(-1)[self.indices]

    def sample(self, n: int, *, generator: Generator) -> PictureBatch:
        """`n` samples, one from each of `n` equal stretches; no more than there are."""
        count = len(self.indices)
        if n >= count:
            return PictureBatch(self._points, self._values, self._keep)
        place = torch.arange(n, dtype=torch.float64)
        place += torch.rand(n, dtype=torch.float64, generator=generator)
        chosen = (place * (count / n)).long().clamp_max(count - 1)
        return PictureBatch(self._points[chosen], self._values[chosen], self._keep[chosen])


def read_picture(path: Path, *, mask: Path | None = None, downscale: int = 1) -> Picture:
    """Read one picture, averaged over blocks of downscale^2 pixels.

    Transparent pixels are put on white; greys stay one channel; of an array, whole numbers of 8
    or 16 bits without sign and values within [0, 1] are taken as they are, others from lowest to
    highest. Raises DataError for input that cannot be used.
    """
    if downscale < 1:
        raise UsageError(f"downscale is {downscale}; give 1 or more")
    if path.is_dir():
        raise DataError(path, "is a folder, and this method learns from one picture", EXPECTED)
    if path.suffix.lower() in arrays.SUFFIXES:
        values, low, high, notes = arrays.read_samples(path, downscale)
    elif path.suffix.lower() in SUFFIXES or not path.is_file():
        values, notes = _read_pixels(path, downscale)
        low, high = 0.0, 1.0
    else:
        raise DataError(path, "is neither a picture nor an array", EXPECTED)
    traits = _traits(path, values)
    keep = _read_keep(mask, traits=traits, downscale=downscale)
    if mask is not None:
        notes.append(f"mask {mask}: {keep.mean():.1%} of the pixels are known")
    digest = hashlib.sha256(repr((tuple(values.shape), low, high)).encode())
    for part in (values, keep):
        digest.update(np.ascontiguousarray(part).tobytes())
    return Picture(
        path,
        traits,
        torch.from_numpy(values),
        torch.from_numpy(keep),
        low=low,
        high=high,
        downscale=downscale,
        notes=tuple(notes),
        fingerprint=digest.hexdigest(),
    )


def _read_pixels(path: Path, downscale: int) -> tuple[Float[np.ndarray, "H W C"], list[str]]:
    """The pixels of an image file over white, one channel where it is grey."""
    pixels = read_image(path, downscale=downscale)
    if pixels[..., 0].size > MOST_PIXELS:
        what = f"has {pixels.shape[1]}x{pixels.shape[0]} pixels; {MOST_PIXELS:,} are the limit"
        raise DataError(path, what, "reduce it with --downscale")
    notes = []
    values = pixels.astype(np.float32) / 255
    if values.shape[-1] == 4:
        alpha = values[..., 3:]
        values = values[..., :3] * alpha + (1 - alpha)
        if (alpha < 1).any():
            notes.append(f"{np.mean(alpha < 1):.0%} of the pixels are transparent: put on white")
    if (values == values[..., :1]).all():
        values = values[..., :1]
    return np.ascontiguousarray(values), notes


def _traits(path: Path, values: Float[np.ndarray, "H W C"]) -> PictureTraits:
    height, width, channels = values.shape
    if height == 1 and width < 2:
        raise DataError(path, "holds a single sample", "give a signal or a picture of more")
    if min(height, width) < 1 or width < 2:
        what = f"is {width}x{height} pixels at this downscale: too small to learn"
        raise DataError(path, what, "give a picture of at least 2x2 pixels")
    return PictureTraits(height, width, channels)


def _read_keep(mask: Path | None, *, traits: PictureTraits, downscale: int) -> np.ndarray:
    """Which samples are known."""
    if mask is None:
        return np.ones((traits.height, traits.width), bool)
    keep = read_mask(mask, size=(traits.width, traits.height), downscale=downscale)
    if not keep.any():
        raise DataError(mask, "is black everywhere: no pixel is known", "make known pixels white")
    return keep
