"""nerfstudio's form: one transforms.json, with the sparse points in sparse_pc.ply.

Perspective lenses have k1 to k4 (of r^2 to r^8), p1 and p2; fisheyes k1 to k4. Published splits are
lists of names; where there are no pictures for validation, those for test are listed in their
place, as nerfstudio wants all lists or none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rayfield.core.types import Camera, Mesh
from rayfield.data.scene import SPLITS, Capture
from rayfield.data.writers.listing import (
    box_keys,
    frame_keys,
    lens_keys,
    one_lens,
    write_listing,
)
from rayfield.data.writers.target import Target, in_images, mask_beside, undistorted_unless
from rayfield.geometry.ply import encode_ply

POINTS = "sparse_pc.ply"
GREY = 128


def expressed(camera: Camera) -> bool:
    """Whether the lens has no denominator, which nerfstudio has not."""
    return camera.lens == "fisheye" or not any(camera.distortion[5:8])


def write(root: Path, capture: Capture) -> None:
    """Write transforms.json, and the points if there are any. Raises OSError."""
    frames = capture.frames
    one = one_lens(frames)
    kinds = {frame.camera.lens for frame in frames}
    document: dict[str, Any] = {"camera_model": _model(frames[0].camera)}
    if one:
        document |= lens_keys(frames[0].camera)
    entries = []
    for frame in frames:
        own = {} if one else lens_keys(frame.camera)
        if len(kinds) > 1:
            own["camera_model"] = _model(frame.camera)
        entries.append({**own, **frame_keys(frame, root)})
    document |= box_keys(capture)
    if capture.points is not None and len(capture.points):
        (root / POINTS).write_bytes(_cloud(capture))
        document["ply_file_path"] = POINTS
    write_listing(root / "transforms.json", {**document, **_splits(capture), "frames": entries})


def _model(camera: Camera) -> str:
    return "OPENCV_FISHEYE" if camera.lens == "fisheye" else "OPENCV"


def _cloud(capture: Capture) -> bytes:
    points = np.asarray(capture.points, np.float64)
    colors = capture.sparse.colors if capture.sparse else None
    if colors is None:
        colors = np.full(points.shape, GREY, np.uint8)
    return encode_ply(Mesh(points, np.zeros((0, 3), np.int64), None, colors), double=True)


def _splits(capture: Capture) -> dict[str, list[str]]:
    """The names in each split; nothing where all pictures are for training."""
    names = {s: [f.name for f in capture.frames if f.split == s] for s in SPLITS}
    if not names["val"] and not names["test"]:
        return {}
    names["val"], names["test"] = names["val"] or names["test"], names["test"] or names["val"]
    return {f"{split}_filenames": found for split, found in names.items()}


TARGET = Target(
    write,
    undistorted_unless(expressed),
    in_images,
    mask_beside,
    frozenset({"ball", "depths", "splits", "masks", "names", "points", "colors"}),
)
