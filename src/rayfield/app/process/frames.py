"""Which frames of a video to keep: even steps of the camera's motion, the sharpest of each.

A frame has a *place*: how far the picture has moved since the start, as a share of its diagonal.
Stretches of equal length along the way give one frame each, so that a camera at rest is not
learned from a hundred times and a quick pan not too rarely.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Shaped
from scipy import ndimage

STEP = 0.04  # of the diagonal: neighbours then overlap by far more than matching needs
FEWEST = 50  # frames of a video that hardly moves: views help even where steps are small
AT_REST = 0.01  # of the diagonal; below it motion is not told from noise
SMALL = 160  # pixels: the longer side of the picture in which motion is measured
NEARLY = 0.9  # frames this close to the sharpest of a stretch count as sharp: the middle one wins
BLURRED = 1 / 3  # of what is usual about it: a frame that blurred is left out
USUAL = 5  # frames on either side that tell what is usual

Grey = Shaped[np.ndarray, "H W"]  # luminance in [0, 255]


def sharpness(grey: Grey) -> float:
    """The variance of the Laplacian: fine detail of the same view falls with blur."""
    return float(ndimage.laplace(grey.astype(np.float32)).var())


class Odometer:
    """Adds up how far pictures move, from small steps between them.

    A step is mean |difference| / mean |slope| of two smoothed pictures, the first-order estimate of
    how far the one is shifted against the other. A new step starts only when the last is long
    enough, so noise of a camera at rest does not add up.
    """

    def __init__(self) -> None:
        self._base = 0.0
        self._before: Float[np.ndarray, "h w"] | None = None

    def place(self, grey: Grey) -> float:
        """The place of the next picture, as a share of the diagonal since the first."""
        small = _small(grey)
        if self._before is None or self._before.shape != small.shape:
            self._before = small
            return self._base
        step = _shift(self._before, small) / float(np.hypot(*small.shape))
        if step > AT_REST:
            self._base, self._before = self._base + step, small
            return self._base
        return self._base + step


def _small(grey: Grey) -> Float[np.ndarray, "h w"]:
    """A smoothed, reduced copy; of mean 0, as exposure may change."""
    factor = max(1, max(grey.shape) // SMALL)
    height, width = (n // factor * factor for n in grey.shape)
    blocks = grey[:height, :width].astype(np.float32)
    blocks = blocks.reshape(height // factor, factor, width // factor, factor)
    small = np.asarray(ndimage.gaussian_filter(blocks.mean(axis=(1, 3)), 1.5))
    return small - small.mean()


def _shift(before: Float[np.ndarray, "h w"], after: Float[np.ndarray, "h w"]) -> float:
    """How many pixels one picture seems shifted against another; saturates at a few of them."""
    slopes = np.gradient(before)
    steepest = float(np.hypot(*slopes).mean()) * 2 / np.pi  # the mean along a random direction
    return float(np.abs(after - before).mean()) / max(steepest, 1e-3)


def choose(
    sharp: Float[np.ndarray, " N"], places: Float[np.ndarray, " N"], *, most: int
) -> list[int]:
    """Numbers of the frames to keep, in order: one for each stretch of the way, at most `most`.

    `sharp` from `sharpness`, `places` from `Odometer.place`, of every frame. Of a short video
    that is all of them, but for those that are blurred.
    """
    count = len(sharp)
    if count <= min(FEWEST, most):
        return without_blurred(list(range(count)), sharp)
    way = float(places[-1] - places[0])
    wanted = min(most, max(FEWEST, round(way / STEP)))
    if way < AT_REST:  # at rest all the time: evenly in time
        places, way = np.linspace(0.0, 1.0, count), 1.0
    along = np.clip((places - places[0]) / way * wanted, 0, wanted - 1e-9)
    picks = [
        _best(np.flatnonzero(along.astype(int) == stretch), sharp, along - stretch - 0.5)
        for stretch in np.unique(along.astype(int))
    ]
    return without_blurred(sorted(picks), sharp)


def _best(members: np.ndarray, sharp: np.ndarray, off: np.ndarray) -> int:
    """Of a stretch's frames that are nearly the sharpest, the one nearest to its middle."""
    good = members[sharp[members] >= NEARLY * sharp[members].max()]
    return int(good[np.abs(off[good]).argmin()])


def without_blurred(picks: list[int], sharp: Float[np.ndarray, " N"]) -> list[int]:
    """The picks but those far less sharp than their neighbours; never two in a row are dropped."""
    kept: list[int] = []
    dropped = False
    for i, pick in enumerate(picks):
        near = [sharp[p] for p in picks[max(0, i - USUAL) : i + USUAL + 1]]
        dropped = not dropped and bool(sharp[pick] < BLURRED * float(np.median(near)))
        if not dropped:
            kept.append(pick)
    return kept
