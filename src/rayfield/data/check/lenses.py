"""Intrinsics that cannot be those of the pictures, or hardly."""

from __future__ import annotations

import math

import numpy as np

from rayfield.core.types import Camera
from rayfield.data.check.finding import Finding, images
from rayfield.data.scene import Capture, Frame

NARROW, WIDE = 4.0, 130.0  # degrees of view of a perspective lens
OBLONG = 1.1  # ratio of fx and fy
OFF = 0.2  # of a picture's side, from its middle to the principal point
OTHER_SIZE = 0.15  # by which the size that a principal point is the middle of differs
STRAY = 1.5  # ratio of a focal length to the set's median


def field_of_view(camera: Camera) -> float:
    """Horizontal, degrees, of a lens without distortion."""
    return math.degrees(2 * math.atan2(0.5 * camera.width, camera.fx))


def check_lenses(capture: Capture) -> list[Finding]:
    """Odd angles of view, oblong pixels, principal points off the middle, straying focal lengths"""
    found = [*_other_size(capture.frames)]
    found += [] if found else _off_middle(capture.frames)
    narrow, wide, oblong = [], [], []
    for frame in capture.frames:
        camera = frame.camera
        if camera.lens == "perspective":
            angle = field_of_view(camera)
            narrow += [frame] if angle < NARROW else []
            wide += [frame] if angle > WIDE else []
        if max(camera.fx, camera.fy) > OBLONG * min(camera.fx, camera.fy):
            oblong.append(frame)
    calibrate = "give the focal length in pixels of these pictures"
    for frames, how in ((narrow, "under 4"), (wide, "over 130")):
        if frames:
            angles = field_of_view(frames[0].camera)
            what = f"{images(len(frames))} with a view of {how} degrees ({angles:.3g}): the focal "
            said = f"{what}length hardly fits {frames[0].camera.width} pixels"
            found.append(Finding("warning", "intrinsics", said, _names(frames), calibrate))
    if oblong:
        camera = oblong[0].camera
        what = f"{images(len(oblong))} with oblong pixels (fx {camera.fx:.4g}, fy {camera.fy:.4g})"
        found.append(Finding("warning", "intrinsics", what, _names(oblong), "check fx and fy"))
    return [*found, *_straying(capture.frames)]


def _names(frames: list[Frame]) -> tuple[str, ...]:
    return tuple(frame.name for frame in frames)


def _other_size(frames: tuple[Frame, ...]) -> list[Finding]:
    """Principal points in the middle of pictures of the same shape, and of another size."""
    ratios = np.array(
        [(2 * f.camera.cx / f.camera.width, 2 * f.camera.cy / f.camera.height) for f in frames]
    )
    x, y = np.median(ratios, axis=0)
    same_shape = abs(x - y) < 0.08 * max(x, y)
    if not same_shape or abs(math.log(max(x, 1e-6))) < math.log(1 + OTHER_SIZE):
        return []
    camera = frames[0].camera
    what = (
        f"the principal point ({camera.cx:.4g}, {camera.cy:.4g}) is the middle of pictures of "
        f"{2 * camera.cx:.0f}x{2 * camera.cy:.0f}, but these are {camera.width}x{camera.height}"
    )
    fix = f"give w and h of the calibration, or multiply fl_x, fl_y, cx and cy by {1 / x:.4g}"
    return [Finding("error", "intrinsics", what, (), fix)]


def _off_middle(frames: tuple[Frame, ...]) -> list[Finding]:
    far = []
    for frame in frames:
        c = frame.camera
        if max(abs(c.cx / c.width - 0.5), abs(c.cy / c.height - 0.5)) > OFF:
            far.append(frame)
    if not far:
        return []
    camera = far[0].camera
    size = f"{camera.width}x{camera.height}"
    what = (
        f"{images(len(far))} with the principal point far from the middle "
        f"({camera.cx:.4g}, {camera.cy:.4g} of {size})"
    )
    fix = "right for cropped pictures only; else calibrate again"
    return [Finding("warning", "intrinsics", what, _names(far), fix)]


def _straying(frames: tuple[Frame, ...]) -> list[Finding]:
    focal = np.array([f.camera.fx / max(f.camera.width, f.camera.height) for f in frames])
    ratio = focal / np.median(focal)
    stray = [f for f, r in zip(frames, ratio, strict=True) if max(r, 1 / r) > STRAY]
    if not stray or len(stray) > 0.3 * len(frames):  # several lenses were used
        return []
    what = f"{images(len(stray))} with a focal length unlike that of the others"
    fix = "right for zoomed pictures only; else calibrate again with one lens for all"
    return [Finding("warning", "intrinsics", what, _names(stray), fix)]


def check_sizes(capture: Capture) -> list[Finding]:
    """Pictures of several sizes, which is fine, and said."""
    sizes: dict[tuple[int, int], int] = {}
    for frame in capture.frames:
        size = (frame.camera.width, frame.camera.height)
        sizes[size] = sizes.get(size, 0) + 1
    if len(sizes) < 2:
        return []
    most = sorted(sizes.items(), key=lambda item: -item[1])
    told = ", ".join(f"{count} of {w}x{h}" for (w, h), count in most[:4])
    return [Finding("note", "sizes", f"{len(sizes)} sizes of pictures: {told}")]
