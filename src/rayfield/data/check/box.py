"""Where the subject is, and whether the box that training looks into holds it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from rayfield.core.check import DataError
from rayfield.core.types import Camera
from rayfield.data.check.finding import Finding, Level
from rayfield.data.check.look import Looked
from rayfield.data.check.poses import poses_of
from rayfield.data.hull import OPAQUE_FROM, View, hull_box
from rayfield.data.masks import OUTSIDE, share_outside
from rayfield.data.normalise import nearest_to_axes, normalise, upright
from rayfield.data.scene import Capture, Frame
from rayfield.math.rays import project

VIEWS = 40
SEEN_BY = 0.5  # of the cameras, at least, should see the middle
REACH = 0.9  # of the cameras' distance, for what silhouettes are asked


class Subject(NamedTuple):
    """The subject in the world: its middle, half the side of its cube, and the way up as +z."""

    centre: Float[np.ndarray, " 3"]
    half: float
    bounded: bool
    world_from_level: Float[np.ndarray, "3 3"]


def find_subject(capture: Capture, looks: Looked) -> tuple[Subject | None, list[Finding]]:
    """The subject as training would look for it, and what is odd about it."""
    frames = tuple(frame for frame in capture.frames if frame.split == "train")
    if len(frames) < 2:
        return None, []
    level = upright(poses_of(frames))
    if all(frame.name in looks and _cut(frame, looks) for frame in frames):
        return _bounded(capture, frames, looks, level)
    opaque = tuple(replace(frame, mask_use="off") for frame in capture.frames)
    try:
        scene = normalise(replace(capture, frames=opaque, notes=()))
    except DataError as error:
        return None, [Finding("error", "box", error.what, (), error.fix)]
    found = scene.world_from_scene
    scale = float(np.cbrt(np.linalg.det(found[:3, :3])))
    subject = Subject(found[:3, 3], scale * scene.traits.ball, False, level)
    notes = [Finding("note", "box", note) for note in scene.notes]
    return subject, [*notes, *_looked_at(frames, subject, capture.ball is not None)]


def _cut(frame: Frame, looks: Looked) -> bool:
    return frame.cutout is not None or looks[frame.name].carries


def small_view(frame: Frame, looks: Looked) -> View:
    """The frame's camera and alpha at the size of a thumbnail."""
    look, camera = looks[frame.name], frame.camera
    kept = np.full(look.small.shape[:2], 255, np.uint8) if look.kept is None else look.kept
    height, width = kept.shape
    x, y = width / camera.width, height / camera.height
    return View(
        replace(
            camera,
            width=width,
            height=height,
            fx=camera.fx * x,
            fy=camera.fy * y,
            cx=camera.cx * x,
            cy=camera.cy * y,
        ),
        kept,
    )


def _bounded(
    capture: Capture, frames: tuple[Frame, ...], looks: Looked, level: np.ndarray
) -> tuple[Subject | None, list[Finding]]:
    """A subject that is cut out: in the ball that files name, or in its visual hull."""
    views = [small_view(frame, looks) for frame in frames[:: -(-len(frames) // VIEWS)]]
    views = [view for view in views if (view.alpha >= OPAQUE_FROM).any()]
    if capture.ball is not None:
        subject = Subject(capture.ball.centre, capture.ball.radius, True, level)
        outside = float(np.mean([share_outside(view, capture.ball) for view in views] or [0.0]))
        if outside <= OUTSIDE:
            return subject, []
        what = f"{outside:.0%} of the subject's pixels look past the ball that the files name"
        how: Level = "error" if outside > SEEN_BY else "warning"
        fix = "make scale_mat, or aabb, larger: what lies outside is cut off"
        return subject, [Finding(how, "box", what, (), fix)]
    poses = poses_of(frames)
    centre = nearest_to_axes(poses)
    if centre is None or not views:
        return None, []
    distance = float(np.median(np.linalg.norm(poses[:, :3, 3] - centre, axis=1)))
    box = hull_box(views, centre, REACH * distance)
    if box is None:
        what = "the silhouettes have no common volume: poses, lens or masks do not fit together"
        fix = "look for what else is told here; else export the poses again"
        return Subject(centre, 0.4 * distance, True, level), [
            Finding("warning", "box", what, (), fix)
        ]
    middle, half = 0.5 * (box[0] + box[1]), 0.5 * float((box[1] - box[0]).max())
    subject = Subject(middle, half, True, level)
    return subject, [Finding("note", "box", f"the subject is in a cube of side {2 * half:.3g}")]


def sees(camera: Camera, point: Float[np.ndarray, " 3"]) -> bool:
    """Whether a point is in front of a camera and inside its picture."""
    pixel, depth = project(camera, torch.from_numpy(point[None]))
    size = torch.tensor([camera.width, camera.height])
    return bool(depth[0] > 0 and (pixel[0] >= 0).all() and (pixel[0] < size).all())


def _looked_at(frames: tuple[Frame, ...], subject: Subject, named: bool) -> list[Finding]:
    """Whether cameras see the middle of the box."""
    share = float(np.mean([sees(frame.camera, subject.centre) for frame in frames]))
    if share >= SEEN_BY:
        return []
    whose = "of the box that the files name (aabb)" if named else "of the scene"
    what = f"only {share:.0%} of the cameras see the middle {whose}"
    fix = "correct aabb, or leave it out" if named else "right for captures that look outwards only"
    return [Finding("warning", "box", what, (), fix)]
