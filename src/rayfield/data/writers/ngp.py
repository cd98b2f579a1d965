"""instant-ngp's form: one transforms.json, with the cube that the scene is put into.

The subject becomes the unit cube by `scale` and `offset`; `aabb_scale`, a power of two, widens it
for the background of scenes that are not cut out. Perspective lenses have k1, k2, p1 and p2,
fisheyes k1 to k4. Which pictures are for test is told by `split`, a key of rayfield's.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from rayfield.core.types import Camera
from rayfield.data.scene import Capture
from rayfield.data.subject import Subject, find_subject
from rayfield.data.writers.listing import (
    box_keys,
    frame_keys,
    lens_keys,
    one_lens,
    write_listing,
)
from rayfield.data.writers.target import Target, in_images, mask_beside, undistorted_unless

BACKGROUND = 4.0  # how much farther than the cameras it is to reach
LARGEST = 128
NOT_ZERO = 1e-30  # a fisheye with no coefficient would be taken for a pinhole


def expressed(camera: Camera) -> bool:
    """Whether the lens needs no other coefficients than instant-ngp has."""
    return camera.lens == "fisheye" or not any(camera.distortion[4:])


def write(root: Path, capture: Capture) -> None:
    """Write transforms.json. Raises OSError, and DataError where no subject can be found."""
    one = one_lens(capture.frames)
    splits = {frame.split for frame in capture.frames}
    frames = []
    for frame in capture.frames:
        keys = frame_keys(frame, root)
        if len(splits) > 1:
            keys["split"] = frame.split
        frames.append(keys if one else {**_lens(frame.camera), **keys})
    document = _lens(capture.frames[0].camera) if one else {}
    document |= {**_placing(find_subject(capture)), **box_keys(capture), "frames": frames}
    write_listing(root / "transforms.json", document)


def _lens(camera: Camera) -> dict[str, Any]:
    keys = lens_keys(camera)
    if camera.lens == "fisheye":
        keys |= {"is_fisheye": True, "k1": keys["k1"] or NOT_ZERO}
    return keys


def _placing(subject: Subject) -> dict[str, Any]:
    """How the world goes into instant-ngp's cube."""
    centre, radius = subject.ball
    scale = 0.5 / radius
    widths = 1.0 if subject.cut_out else max(1.0, BACKGROUND * subject.reach / radius)
    cube = min(LARGEST, 2 ** math.ceil(math.log2(widths)))
    return {"aabb_scale": cube, "scale": scale, "offset": (0.5 - scale * centre).tolist()}


TARGET = Target(
    write,
    undistorted_unless(expressed),
    in_images,
    mask_beside,
    frozenset({"ball", "depths", "splits", "masks", "names"}),
)
