"""NeRF's synthetic form: transforms_train.json, transforms_val.json and transforms_test.json.

There is one pinhole for all pictures, with square pixels and its axis in the middle, told by
`camera_angle_x` alone; so lenses are undone and pictures brought to one view. They are PNG files.
Where there are no pictures for validation, those for test are listed in their place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rayfield.core.types import Camera
from rayfield.data.rectify import centred, one_for_all, pinhole_within
from rayfield.data.scene import SPLITS, Capture
from rayfield.data.writers.listing import box_keys, frame_keys, write_listing
from rayfield.data.writers.target import Target, by_split, mask_beside


def fit(cameras: Sequence[Camera]) -> list[Camera]:
    """One view for all."""
    each = [c if centred(c) else pinhole_within(c, middle=True) for c in cameras]
    one = one_for_all(each)
    return [replace(one, pose=camera.pose) for camera in cameras]


def write(root: Path, capture: Capture) -> None:
    """Write the listings of all splits. Raises OSError."""
    first = capture.frames[0].camera
    angle = 2 * math.atan(0.5 * first.width / first.fx)
    for split in SPLITS:
        frames = [frame for frame in capture.frames if frame.split == split]
        if not frames and split == "val":
            frames = [frame for frame in capture.frames if frame.split == "test"]
        listed = [frame_keys(frame, root, suffix=False) for frame in frames]
        document = {"camera_angle_x": angle, **box_keys(capture), "frames": listed}
        if listed:
            write_listing(root / f"transforms_{split}.json", document)


TARGET = Target(
    write,
    fit,
    by_split,
    mask_beside,
    frozenset({"ball", "depths", "splits", "masks", "names"}),
    png=True,
    needs_test=True,
)
