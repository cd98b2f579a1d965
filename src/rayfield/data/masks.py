"""Folders of masks beside folders of pictures: which mask is whose, and whether it can be one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from jaxtyping import UInt8

from rayfield.core.check import DataError
from rayfield.core.types import MaskUse
from rayfield.data.hull import View
from rayfield.data.images import SUFFIXES, image_info, mask_pixels
from rayfield.data.photo import SOLID
from rayfield.data.scene import Ball, Capture, Frame, natural_order, shortened
from rayfield.math.rays import camera_rays

FIX = "restore the masks, or leave all of them out with --masks off"
OUTSIDE = 0.01  # part of the subject that may lie outside its ball without remark
CHECKED = 2000  # pixels of a picture
LOST = 0.9  # part of the subject outside its ball from which nothing of it could be learned
LITTLE = 0.01  # part of the pixels below which a subject, or what masks keep, is suspicious
LOOKED_AT = 8  # masks, to tell how much they keep


def pictures_in(folder: Path, root: Path) -> list[Path]:
    """The pictures below a folder, in natural order; DataError for links out of `root`."""
    found = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES]
    for path in found:
        if not path.resolve().is_relative_to(root.resolve()):
            raise DataError(path, "leads out of the data set", "copy the file into the folder")
    return sorted(found, key=lambda path: (natural_order(str(path)), path))


def paired(capture: Capture) -> tuple[Frame, ...]:
    """The frames with the masks of the capture's folder.

    Masks have the name of their picture (its suffix, another, or one more: a.jpg.png). Where none
    has, as many masks as pictures follow the order of names, if they are to cut the subject out.
    Raises DataError for masks of another size than their pictures, and for numbers that do not fit.
    """
    frames = capture.frames
    if capture.masks is None or not capture.masks.folder.is_dir():
        return frames
    folder, use = capture.masks
    masks = pictures_in(folder, capture.root)
    by_name = {mask.relative_to(folder).with_suffix("").as_posix(): mask for mask in masks}
    found = [_named(frame.name, by_name) for frame in frames]
    if masks and not any(found) and use == "cut":
        if len(masks) != len(frames):
            what = f"holds {len(masks)} masks for {len(frames)} images, and no name tells whose"
            raise DataError(folder, what, FIX)
        found = list(masks)
    result = []
    for frame, mask in zip(frames, found, strict=True):
        if mask is not None:
            _check_size(frame.path, mask)
        result.append(frame if mask is None else replace(frame, mask=mask, mask_use=use))
    return tuple(result)


def _named(name: str, by_name: dict[str, Path]) -> Path | None:
    """The mask of the picture `name`, which may lie in a folder of pictures."""
    for inner in (name, name.partition("/")[2]):
        for key in (inner, PurePosixPath(inner).with_suffix("").as_posix()):
            if inner and key in by_name:
                return by_name[key]
    return None


def _check_size(picture: Path, mask: Path) -> None:
    wanted, got = image_info(picture), image_info(mask)
    if (got.width, got.height) != (wanted.width, wanted.height):
        what = f"is {got.width}x{got.height}, but {picture.name} is {wanted.width}x{wanted.height}"
        raise DataError(mask, what, f"make both the same size; {FIX}")


def remarks_on(views: Sequence[View], root: Path, ball: Ball | None) -> list[str]:
    """What is odd about the alpha of a data set's pictures, and about the ball of their subject.

    Raises DataError where no picture shows any subject.
    """
    shown = [view for view in views if (view.alpha >= SOLID).any()]
    if not shown:
        fix = "white (255) marks the subject"
        raise DataError(root, f"all {len(views)} masks or alphas looked at are black", fix)
    notes = []
    if len(shown) < len(views):
        notes.append(
            f"{len(views) - len(shown)} of {len(views)} images show nothing of the subject"
        )
    share = float(np.mean([(view.alpha >= SOLID).mean() for view in views]))
    inverted = bool(np.mean([looks_inverted(view.alpha) for view in shown]) > 0.5)
    if inverted:
        notes.append(
            "masks are white around and black in the middle: invert them if they are inverted, "
            "for white marks the subject"
        )
    elif share < LITTLE:
        notes.append(
            f"the subject is {share:.2%} of the pixels: if masks are inverted, invert them, for "
            "white marks the subject; if it is so small, crop the images and correct the cameras"
        )
    if ball is not None:
        outside = float(np.mean([share_outside(view, ball) for view in shown]))
        if outside > LOST and not inverted:
            what = f"{outside:.0%} of the subject's pixels look past the ball that scale_mat gives"
            fix = "give the scale_mat of these cameras, or none: then silhouettes tell the ball"
            raise DataError(root, what, fix)
        if outside > OUTSIDE:
            notes.append(
                f"{outside:.0%} of the subject's pixels look past the ball that scale_mat gives: "
                "what lies outside is cut off; make scale_mat larger"
            )
        within = sum(
            np.linalg.norm(v.camera.pose[:3, 3] - ball.centre) < ball.radius for v in views
        )
        if within:
            notes.append(
                f"{within} of {len(views)} cameras are inside the ball that scale_mat gives"
            )
    return notes


def looks_inverted(alpha: UInt8[np.ndarray, "H W"]) -> bool:
    """Whether a mask is white along its border and has much black in its middle."""
    solid = alpha >= SOLID
    border = np.concatenate([solid[0], solid[-1], solid[:, 0], solid[:, -1]])
    h, w = (max(1, n // 4) for n in solid.shape)
    return bool(border.mean() > 0.95 and solid[h : 3 * h, w : 3 * w].mean() < 0.75)


def share_outside(view: View, ball: Ball) -> float:
    """The part of the subject's pixels whose rays miss a ball."""
    row, column = np.nonzero(view.alpha >= SOLID)
    step = max(1, len(row) // CHECKED)
    pixels = np.stack([column, row], axis=1)[::step] + 0.5
    origins, directions = camera_rays(view.camera, torch.from_numpy(pixels))
    to_centre = torch.from_numpy(ball.centre) - origins
    along = (to_centre * directions).sum(dim=1).clamp(min=0)
    gap = (to_centre - along[:, None] * directions).norm(dim=1)
    return float((gap > ball.radius).double().mean())


def used(capture: Capture, use: MaskUse | None) -> tuple[tuple[Frame, ...], str | None]:
    """The frames of a capture with their masks used so, and a note; None: as the capture has it.

    Raises DataError for masks that cannot be used, unless they are "off"; where there are none to
    use; and where they cut the subject out of some pictures only.
    """
    try:
        frames = paired(capture)
    except DataError:
        if use != "off":
            raise
        frames = capture.frames
    masked = {frame.name: frame for frame in frames if frame.mask is not None}
    if not masked and use in ("cut", "skip"):
        fix = "leave --masks out, or put masks of the images' names into masks/"
        raise DataError(capture.root, f"has no masks to {use}", fix)
    if use is not None:
        masked = {name: replace(frame, mask_use=use) for name, frame in masked.items()}
    names = [frame.name for frame in frames if frame.name not in masked]
    if names and any(frame.cutout for frame in masked.values()):
        what = f"has no mask for {len(names)} of {len(frames)} images: {shortened(names)}"
        raise DataError(capture.root, what, FIX)
    note = None
    if any(frame.skipped for frame in masked.values()):
        kept = _kept([frame.mask for frame in masked.values() if frame.mask is not None])
        note = (
            f"{len(masked)} of {len(frames)} images have masks: black pixels, {1 - kept:.0%} of "
            "theirs, are not learned from (--masks cut: what is white is the subject; --masks off: "
            "all pixels)"
        )
        if kept < LITTLE:
            note += "; invert the masks if they are inverted, for white marks what is learned from"
    return tuple(masked.get(frame.name, frame) for frame in frames), note


def _kept(masks: Sequence[Path]) -> float:
    """The part of the pixels that masks keep, by up to LOOKED_AT of them."""
    some = masks[:: -(-len(masks) // LOOKED_AT)]
    return float(np.mean([(mask_pixels(mask) >= SOLID).mean() for mask in some]))
