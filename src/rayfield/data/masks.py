"""Folders of masks beside folders of pictures: which mask is whose, and whether it can be one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from rayfield.core.check import DataError
from rayfield.data.hull import View
from rayfield.data.images import SUFFIXES, image_info
from rayfield.data.scene import Ball, Capture, Frame, MaskUse, natural_order, shortened
from rayfield.math.rays import camera_rays

FIX = "restore the masks, or leave all of them out with --masks off"
SOLID = 128  # of 255: alpha from which a pixel is the subject's
OUTSIDE = 0.01  # part of the subject that may lie outside its ball without remark
CHECKED = 2000  # pixels of a picture


def pictures_in(folder: Path, root: Path) -> list[Path]:
    """The pictures in a folder in natural order. DataError for a link that leads out of `root`."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    for path in found:
        if not path.resolve().is_relative_to(root.resolve()):
            raise DataError(path, "leads out of the data set", "copy the file into the folder")
    return sorted(found, key=lambda path: (natural_order(path.name), path.name))


def paired(root: Path, pictures: list[Path], folder: Path | None) -> list[Path | None]:
    """The mask of each picture; all None where there is no folder or nothing in it.

    Masks are found by name (with the picture's suffix or another, or after it: a.jpg.png); as many
    masks as pictures, none of them named like one, follow the order of names. Raises DataError for
    masks of another size than their pictures, and for numbers that do not fit.
    """
    masks = pictures_in(folder, root) if folder is not None else []
    if not masks:
        return [None] * len(pictures)
    by_name = {mask.stem: mask for mask in masks}
    found = [by_name.get(picture.name) or by_name.get(picture.stem) for picture in pictures]
    if not any(found):
        if len(masks) != len(pictures):
            what = f"holds {len(masks)} masks for {len(pictures)} images, and no name tells whose"
            raise DataError(folder or root, what, FIX)
        found = list(masks)
    for picture, mask in zip(pictures, found, strict=True):
        if mask is not None:
            check_size(picture, mask)
    return found


def check_size(picture: Path, mask: Path) -> None:
    """Raise DataError unless a mask has the size of its picture."""
    wanted, got = image_info(picture), image_info(mask)
    if (got.width, got.height) != (wanted.width, wanted.height):
        what = f"is {got.width}x{got.height}, but {picture.name} is {wanted.width}x{wanted.height}"
        raise DataError(mask, what, "make masks of their pictures' size")


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
    if np.mean([_inverted(view.alpha) for view in shown]) > 0.5:
        notes.append(
            "masks are white around and black in the middle: invert them if they are inverted, "
            "for white marks the subject"
        )
    if ball is not None:
        outside = float(np.mean([_outside(view, ball) for view in shown]))
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


def _inverted(alpha: UInt8[np.ndarray, "H W"]) -> bool:
    """Whether a mask is white along its border and has much black in its middle."""
    solid = alpha >= SOLID
    border = np.concatenate([solid[0], solid[-1], solid[:, 0], solid[:, -1]])
    h, w = (max(1, n // 4) for n in solid.shape)
    return bool(border.mean() > 0.95 and solid[h : 3 * h, w : 3 * w].mean() < 0.75)


def _outside(view: View, ball: Ball) -> float:
    """The part of the subject's pixels whose rays miss a ball."""
    row, column = np.nonzero(view.alpha >= SOLID)
    step = max(1, len(row) // CHECKED)
    pixels = np.stack([column, row], axis=1)[::step] + 0.5
    origins, directions = camera_rays(view.camera, torch.from_numpy(pixels))
    to_centre = torch.from_numpy(ball.centre) - origins
    along = (to_centre * directions).sum(dim=1).clamp(min=0)
    gap = (to_centre - along[:, None] * directions).norm(dim=1)
    return float((gap > ball.radius).double().mean())


def used(capture: Capture, use: MaskUse | None) -> tuple[Frame, ...]:
    """The frames of a capture with their masks used so; None: as the capture has it.

    Raises DataError where masks are to be used and there are none, or where they cut the subject
    out of some pictures only.
    """
    masked = [frame for frame in capture.frames if frame.mask is not None]
    if use is not None:
        if not masked and use != "off":
            fix = "leave --masks out, or put masks of the images' names into masks/"
            raise DataError(capture.root, f"has no masks to {use}", fix)
        masked = [replace(frame, mask_use=use) for frame in masked]
    cut = any(frame.cutout for frame in masked)
    names = [frame.name for frame in capture.frames if frame.mask is None]
    if cut and names:
        what = f"has no mask for {len(names)} of {len(capture.frames)} images: {shortened(names)}"
        raise DataError(capture.root, what, FIX)
    changed = {frame.name: frame for frame in masked}
    return tuple(changed.get(frame.name, frame) for frame in capture.frames)
