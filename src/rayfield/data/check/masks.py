"""Masks and alpha: which way round they are, and how much they keep."""

from __future__ import annotations

import numpy as np

from rayfield.data.check.finding import Finding, Level, images
from rayfield.data.check.look import Looked, subject_share
from rayfield.data.masks import looks_inverted
from rayfield.data.scene import Frame

HARDLY = 0.01  # of a picture
INVERT = "invert them: white (255) marks what is kept"


def check_masks(frames: tuple[Frame, ...], looks: Looked) -> list[Finding]:
    """Black, white, inverted and missing masks, and the part of the pixels they keep."""
    seen = [frame for frame in frames if frame.name in looks]
    kept = [frame for frame in seen if looks[frame.name].kept is not None]
    if not kept:
        return []
    own = any(frame.mask is not None for frame in kept)
    what = "mask" if own else "alpha"
    shares = np.array([subject_share(looks[frame.name]) for frame in kept])
    if shares.min() == 1:
        return [Finding("note", "masks", f"the {what} of all pictures keeps every pixel")]
    found = [*_black(kept, shares, what), *_inverted(kept, looks, own)]
    rest = [frame.name for frame in seen if looks[frame.name].kept is None]
    if rest:
        said = f"{images(len(rest))} have no {what}, unlike the others"
        found.append(Finding("warning", "masks", said, tuple(rest), "add those that are missing"))
    told = f"the {what} keeps {shares.mean():.0%} of the pixels"
    return [*found, Finding("note", "masks", told)]


def _black(kept: list[Frame], shares: np.ndarray, what: str) -> list[Finding]:
    """Pictures of which next to nothing is kept."""
    dark = [frame.name for frame, share in zip(kept, shares, strict=True) if share < HARDLY]
    if not dark:
        return []
    told = f"{images(len(dark))} of which the {what} keeps next to nothing"
    level: Level = "error" if len(dark) == len(kept) else "warning"
    fix = "restore the masks; white (255) marks what is kept"
    return [Finding(level, "masks", told, tuple(dark), fix)]


def inverted(kept: list[Frame], looks: Looked) -> list[str]:
    """The pictures whose masks are white around and black in the middle."""
    names = []
    for frame in kept:
        mask = looks[frame.name].kept
        if mask is not None and (mask >= 128).any() and looks_inverted(mask):
            names.append(frame.name)
    return names


def _inverted(kept: list[Frame], looks: Looked, own: bool) -> list[Finding]:
    names = inverted(kept, looks)
    if len(names) <= 0.5 * len(kept):
        return []
    cuts = not own or any(frame.cutout for frame in kept)
    told = "masks are white around and black in the middle: they look inverted"
    # masks that only leave pixels out may well leave out what stands in the middle
    return [Finding("error" if cuts else "warning", "masks", told, tuple(names), INVERT)]
