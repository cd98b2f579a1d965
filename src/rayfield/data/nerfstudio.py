"""nerfstudio's form: one transforms.json with camera models and, optionally, published splits.

Its writers turn the world they are given; what they did is in `applied_transform` and
`applied_scale`, and is undone here, so that poses, points and exports are in that world, be it
COLMAP's or metric. The points of `ply_file_path` lie in the file's world, as the poses do.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from rayfield.core.check import DataError
from rayfield.data.files import existing_image
from rayfield.data.intrinsics import Json, is_number
from rayfield.data.poses import FARTHEST, TOLERANCE, matrix_from_json
from rayfield.data.scene import SPLITS, Ball, Capture, Frame, Sparse, in_natural_order
from rayfield.data.strict_json import read_json_object
from rayfield.data.transforms import read_listing
from rayfield.geometry.ply import read_ply

MARKS = (
    "camera_model",
    "applied_transform",
    "applied_scale",
    "orientation_override",
    "ply_file_path",
    *(f"{split}_filenames" for split in SPLITS),
)
UNDONE = "applied_transform and applied_scale are undone: the world is that before them"

Matrix = Float[np.ndarray, "4 4"]


def detect(document: Json) -> bool:
    """Whether a parsed transforms.json carries a key that only nerfstudio writes."""
    return any(key in document for key in MARKS)


def read(root: Path, path: Path) -> Capture:
    """Read a listing in a folder. Pictures that published splits leave out are not used.

    Raises DataError on input that cannot be used.
    """
    document = read_json_object(path)
    listing = read_listing(root, path, document)
    frames, notes = listing.frames, list(listing.notes)
    if splits := _published(root, path, document):
        kept: tuple[Frame, ...] = tuple(
            replace(frame, split=splits[frame.name]) for frame in frames if frame.name in splits
        )
        if len(kept) < len(frames):
            notes.append(f"{len(frames) - len(kept)} images are in no published split (not used)")
        frames = kept
    points, sparse, remark = _points(root, path, document)
    notes += [remark] if remark else []
    ball = listing.ball
    undo = world_from_file(path, document)
    if not np.array_equal(undo, np.eye(4)):
        notes.append(UNDONE)
        frames = tuple(_moved(frame, undo) for frame in frames)
        points = None if points is None else points @ undo[:3, :3].T + undo[:3, 3]
        ball = None if ball is None else _moved_ball(ball, undo)
    return Capture(
        root,
        "nerfstudio",
        in_natural_order(frames),
        points,
        tuple(notes),
        ball=ball,
        sparse=sparse,
    )


def _published(root: Path, path: Path, document: Json) -> dict[str, str]:
    """The split of each picture that the file assigns, by the picture's path in the folder."""
    splits: dict[str, str] = {}
    for split in SPLITS:
        names = document.get(f"{split}_filenames", [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DataError(path, f"{split}_filenames is not a list of names", "correct it")
        for name in names:
            image = existing_image(root, name, path)
            key = image.relative_to(root).as_posix() if image else name
            if split != "train" and splits.get(key) == "train":
                what = f"{name!r} is in train_filenames and in {split}_filenames"
                fix = "take it out of one of them: a picture belongs to one split only"
                raise DataError(path, what, fix)
            splits[key] = split  # one for validation and test is a test picture
    return splits


def _points(
    root: Path, path: Path, document: Json
) -> tuple[Float[np.ndarray, "N 3"] | None, Sparse | None, str | None]:
    """The points of `ply_file_path`, their colours, and a note where they are not there."""
    name = document.get("ply_file_path")
    if name is None:
        return None, None, None
    if not isinstance(name, str):
        raise DataError(path, "ply_file_path is not a name", "correct it")
    file = existing_image(root, name, path)
    if file is None:
        return None, None, f"ply_file_path names {name:.100}, which does not exist"
    raw = read_ply(file)
    with np.errstate(invalid="ignore"):  # signalling NaN, that is left out as any other
        usable = (np.abs(raw.vertices) < FARTHEST).all(axis=1)
    colors = None if raw.colors is None else raw.colors[usable]
    return raw.vertices[usable], Sparse(colors), None


def world_from_file(path: Path, document: Json) -> Matrix:
    """The similarity that undoes what the writer of the file applied.

    Raises DataError for what is none.
    """
    applied, scale = np.eye(4), document.get("applied_scale", 1.0)
    if "applied_transform" in document:
        applied = matrix_from_json(document["applied_transform"], path, "applied_transform")
    sizes = np.linalg.svd(applied[:3, :3], compute_uv=False)
    turns = sizes[2] > 1e-12 and sizes[0] < 1e12 and sizes[2] > (1 - TOLERANCE) * sizes[0]
    if not turns or np.linalg.det(applied[:3, :3]) < 0:
        what = "applied_transform is no rotation with one scale and a shift"
        raise DataError(path, what, "correct it, or leave it out to keep the world of the file")
    if not is_number(scale) or not 1e-12 < scale < 1e12:
        raise DataError(path, f"applied_scale {scale!r:.40} is no scale", "correct it")
    return np.linalg.inv(np.diag([scale, scale, scale, 1.0]) @ applied)


def _moved(frame: Frame, undo: Matrix) -> Frame:
    """The frame where a similarity takes it."""
    scale = float(np.cbrt(np.linalg.det(undo[:3, :3])))
    pose = undo @ frame.camera.pose
    pose[:3, :3] /= scale
    bounds = None if frame.bounds is None else (frame.bounds[0] * scale, frame.bounds[1] * scale)
    return replace(frame, camera=replace(frame.camera, pose=pose), bounds=bounds)


def _moved_ball(ball: Ball, undo: Matrix) -> Ball:
    """The ball where a similarity takes it."""
    scale = float(np.cbrt(np.linalg.det(undo[:3, :3])))
    return Ball(undo[:3, :3] @ ball.centre + undo[:3, 3], ball.radius * scale)
