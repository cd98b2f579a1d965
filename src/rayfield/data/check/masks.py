"""Masks and alpha: which way round they are, and how much they keep."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8

from rayfield.data.check.finding import Finding, Level, images
from rayfield.data.check.look import Looked, subject_share
from rayfield.data.check.poses import poses_of
from rayfield.data.masks import looks_inverted
from rayfield.data.normalise import nearest_to_axes
from rayfield.data.photo import SOLID
from rayfield.data.scene import Frame
from rayfield.math.rays import project

HARDLY = 0.01  # of a picture
WINDOW = 0.08  # of a picture, to each side of what all cameras look at
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
    """The pictures whose masks leave out what all cameras look at and keep most of the border."""
    if len(kept) < 2:
        return []
    centre = nearest_to_axes(poses_of(tuple(kept)))
    names = []
    for frame in kept:
        mask = looks[frame.name].kept
        if mask is None or not (mask >= SOLID).any():
            continue
        if looks_inverted(mask) or _hollow(mask, frame, centre):
            names.append(frame.name)
    return names


def _hollow(
    mask: UInt8[np.ndarray, "h w"], frame: Frame, centre: Float[np.ndarray, " 3"] | None
) -> bool:
    solid = mask >= SOLID
    size = np.array([mask.shape[1], mask.shape[0]])
    place = size / 2
    if centre is not None:
        camera = frame.camera
        pixel, _ = project(camera, torch.from_numpy(centre[None]))
        place = pixel[0].numpy() * size / (camera.width, camera.height)
    if not ((place >= 0) & (place < size)).all():
        return False
    left, top = np.maximum(place - WINDOW * size, 0).astype(int)
    right, bottom = np.ceil(place + WINDOW * size).astype(int)
    border = np.concatenate([solid[0], solid[-1], solid[:, 0], solid[:, -1]])
    return bool(solid[top:bottom, left:right].mean() < 0.3 and border.mean() > 0.5)


def _inverted(kept: list[Frame], looks: Looked, own: bool) -> list[Finding]:
    names = inverted(kept, looks)
    if len(names) <= 0.5 * len(kept):
        return []
    cuts = not own or any(frame.cutout for frame in kept)
    told = "the masks keep the surroundings and leave out the middle: they look inverted"
    # masks that only leave pixels out may well leave out what stands in the middle
    return [Finding("error" if cuts else "warning", "masks", told, tuple(names), INVERT)]


def turned(looks: Looked) -> Looked:
    """The looks with their masks the other way round."""
    return {
        name: look if look.kept is None else look._replace(kept=255 - look.kept)
        for name, look in looks.items()
    }
