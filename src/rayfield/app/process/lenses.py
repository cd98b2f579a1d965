"""Which pictures share a lens, how much freedom each lens gets, and what is said of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from rayfield.app.process.photos import Picture

CameraMode = Literal["auto", "single", "per-image"]
MANY = 15  # pictures: so many tell four distortion coefficients; fewer one
CENTRED = 20  # pictures: fewer than that do not tell the principal point
OFF_CENTRE = 0.05  # of the picture's sides: a principal point farther off is a mistake
GUESS = 1.2  # focal length / longer side, where EXIF says nothing
CLOSER = 0.98  # a focal length for each photo must bring the error below this share of itself


class Lens(NamedTuple):
    """A lens to estimate: its pictures (numbers), size in pixels, COLMAP model, first focal
    length in pixels and whether that was told."""

    pictures: tuple[int, ...]
    width: int
    height: int
    model: str
    focal: float
    told: bool


def group(pictures: Sequence[Picture], mode: CameraMode) -> list[Lens]:
    """The lenses of pictures: those of equal size and EXIF share one (`auto`), or those of equal
    size (`single`), or each has its own (`per-image`)."""
    groups: dict[object, list[int]] = {}
    for i, picture in enumerate(pictures):
        size = (picture.width, picture.height)
        key: object = {"auto": (size, picture.lens), "single": size, "per-image": i}[mode]
        groups.setdefault(key, []).append(i)
    return [_lens([pictures[i] for i in numbers], tuple(numbers)) for numbers in groups.values()]


def _lens(pictures: list[Picture], numbers: tuple[int, ...]) -> Lens:
    first = pictures[0]
    told = [picture.focal for picture in pictures if picture.focal]
    focal = told[0] if told else GUESS * max(first.width, first.height)
    model = "OPENCV" if len(numbers) >= MANY else "SIMPLE_RADIAL"
    return Lens(numbers, first.width, first.height, model, focal, bool(told))


def described(size: tuple[int, int], model: str, focals: Sequence[float]) -> str:
    """A line on the lens, or the lenses of equal size and model, of `len(focals)` pictures."""
    low, high = min(focals), max(focals)
    if high - low < 0.5:
        length = f"focal length {low:.1f} px"
    else:
        length = f"focal lengths {low:.0f} to {high:.0f} px"
    return f"{model} {size[0]}x{size[1]}, {length}, {len(focals)} images"
