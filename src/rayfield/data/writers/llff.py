"""LLFF's form: poses_bounds.npy beside images/.

Each picture has one focal length, its axis in the middle, and the depths of the nearest and
farthest content: those the files tell, else of the points it shows (all but a thousandth at either
end), else of the subject's ball.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from rayfield.core.types import Camera
from rayfield.data.rectify import centred, pinhole_within
from rayfield.data.scene import Capture, Frame
from rayfield.data.subject import Subject, find_subject
from rayfield.data.writers.target import Target, mask_beside, side_by_side
from rayfield.math.rays import project

SHARE = 0.1  # per cent of the points, at either end, that are not counted
FEWEST = 10  # points from which on they tell the depths
NEAREST = 0.05  # of the distance to the ball's centre
BEYOND = 4.0  # times as far as its subject's ball a whole scene is taken to reach


def fit(cameras: Sequence[Camera]) -> list[Camera]:
    """Centred pinholes."""
    return [c if centred(c) else pinhole_within(c, middle=True) for c in cameras]


def write(root: Path, capture: Capture) -> None:
    """Write poses_bounds.npy. Raises OSError, and DataError where no subject can be found."""
    subject: Subject | None = None
    rows = []
    for frame in sorted(capture.frames, key=lambda frame: frame.name):
        bounds = frame.bounds or _of_points(capture, frame)
        if bounds is None:
            subject = subject or find_subject(capture)
            bounds = _of_ball(subject, frame.camera)
        rows.append(_row(frame.camera, bounds))
    np.save(root / "poses_bounds.npy", np.stack(rows))


def _row(camera: Camera, bounds: tuple[float, float]) -> Float[np.ndarray, " 17"]:
    """The camera's axes down, right, back, its centre, (height, width, focal), and the depths."""
    right, down, forward, centre = camera.pose[:3].T
    sizes = np.array([camera.height, camera.width, camera.fx])
    matrix = np.stack([down, right, -forward, centre, sizes], axis=1)
    return np.array([*matrix.reshape(-1), *bounds])


def _of_points(capture: Capture, frame: Frame) -> tuple[float, float] | None:
    """The depths of the points that a picture shows."""
    if capture.points is None or not len(capture.points):
        return None
    camera = frame.camera
    pixels, depth = (x.numpy() for x in project(camera, torch.from_numpy(capture.points)))
    seen = (depth > 0) & ((pixels >= 0) & (pixels < (camera.width, camera.height))).all(axis=1)
    if seen.sum() < FEWEST:
        return None
    near, far = np.percentile(depth[seen], [SHARE, 100 - SHARE])
    return (float(near), float(far)) if near < far else None


def _of_ball(subject: Subject, camera: Camera) -> tuple[float, float]:
    """The depths between which a subject's ball is, none behind the camera; of a whole scene that
    is not all there is."""
    ball = subject.ball
    distance = float(np.linalg.norm(ball.centre - camera.pose[:3, 3]))
    depth = float((ball.centre - camera.pose[:3, 3]) @ camera.pose[:3, 2])
    near = max(depth - ball.radius, NEAREST * max(distance, ball.radius))
    beyond = depth + ball.radius
    far = beyond if subject.cut_out else BEYOND * beyond
    return near, far if far > near else 2 * near


TARGET = Target(write, fit, side_by_side, mask_beside, frozenset({"depths", "masks", "names"}))
