"""Where the cameras stand: whether depth can be learned from there at all."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from rayfield.data.check.finding import Finding, images
from rayfield.data.scene import Capture, Frame

FEW = 10
ON_A_LINE = 0.01  # second over first singular value of the camera centres
NO_PARALLAX, LITTLE_PARALLAX = 0.5, 4.0  # degrees between the farthest photos, from the subject
SIDES = 128  # directions in which the outermost cameras are looked for
PARALLEL = 1e-8  # smallest eigenvalue of what the axes' meeting point is found from
APART = 1e-6  # of the cameras' spread: nearer ones stand at one place
MOVE = "take the pictures from different places, all round the subject"

Poses = Float[np.ndarray, "N 4 4"]


def poses_of(frames: tuple[Frame, ...]) -> Poses:
    """The poses of frames, world_from_camera."""
    return np.stack([frame.camera.pose for frame in frames])


def at_one_point(poses: Poses) -> bool:
    """Whether all cameras stand at one place."""
    places = poses[:, :3, 3]
    return bool(np.ptp(places, axis=0).max() <= APART * (1e-3 + np.abs(places).max()))


def check_poses(capture: Capture) -> list[Finding]:
    """Too few cameras, all at one point or on a line, without parallax, or listed twice."""
    frames = tuple(frame for frame in capture.frames if frame.split == "train")
    if len(frames) < 2:
        what = f"{images(len(frames))} to train on: depth cannot be learned"
        return [Finding("error", "poses", what, (), "at least 2 posed pictures are needed")]
    poses = poses_of(frames)
    if at_one_point(poses):
        what = f"all {len(frames)} training cameras stand at one point: depth cannot be learned"
        return [Finding("error", "poses", what, (), MOVE)]
    found = [*_line(poses), *_parallax(poses, capture.points), *_doubles(frames, poses)]
    if len(frames) < FEW:
        what = f"only {images(len(frames))} to train on: most methods want 20 or more"
        found.append(Finding("warning", "poses", what, (), "add pictures"))
    return found


def _line(poses: Poses) -> list[Finding]:
    places = poses[:, :3, 3]
    sizes = np.linalg.svd(places - places.mean(axis=0), compute_uv=False)
    if len(poses) < 3 or sizes[1] > ON_A_LINE * sizes[0]:
        return []
    what = "all training cameras stand on one line: there is parallax along it only"
    return [Finding("warning", "poses", what, (), "add pictures from beside the line")]


def _parallax(poses: Poses, points: Float[np.ndarray, "P 3"] | None) -> list[Finding]:
    """The widest angle between cameras, seen from the points or from where their axes meet."""
    if points is not None and len(points):
        centre = np.median(points, axis=0)
    else:
        forward, places = poses[:, :3, 2], poses[:, :3, 3]
        planes = np.eye(3) - forward[:, :, None] * forward[:, None, :]
        if np.linalg.eigvalsh(planes.mean(axis=0))[0] < PARALLEL:  # they tell no distance
            return []
        away = np.einsum("nij,nj->i", planes, places)
        centre = np.linalg.solve(planes.sum(axis=0), away)
    arms = poses[:, :3, 3] - centre
    lengths = np.linalg.norm(arms, axis=1, keepdims=True)
    if not lengths.min() > 0:
        return []
    angle = widest(arms / lengths)
    if angle >= LITTLE_PARALLAX:
        return []
    where = f"parallax: seen from the subject, all cameras lie within {angle:.1f} degrees"
    if angle < NO_PARALLAX:
        return [Finding("error", "poses", f"no {where}", (), MOVE)]
    return [Finding("warning", "poses", f"little {where}", (), MOVE)]


def widest(arms: Float[np.ndarray, "N 3"]) -> float:
    """The largest angle between unit vectors, degrees; where it is large, a bound from below.

    Of vectors close together only the outermost in many directions are compared, not all pairs.
    """
    first = float((arms @ arms[0]).min())
    if first > np.cos(np.radians(LITTLE_PARALLAX)):
        _, _, axes = np.linalg.svd(arms - arms.mean(axis=0), full_matrices=False)
        turns = np.pi * np.arange(SIDES) / SIDES
        along = [arms @ (np.cos(turn) * axes[0] + np.sin(turn) * axes[1]) for turn in turns]
        outer = arms[np.unique([end for x in along for end in (x.argmin(), x.argmax())])]
        first = float((outer @ outer.T).min())
    return float(np.degrees(np.arccos(np.clip(first, -1, 1))))


def _doubles(frames: tuple[Frame, ...], poses: Poses) -> list[Finding]:
    """Different pictures under one and the same pose."""
    spread = float(np.linalg.norm(np.ptp(poses[:, :3, 3], axis=0)))
    rows = poses[:, :3].copy()
    rows[:, :, 3] /= spread
    keys = np.round(rows.reshape(len(poses), -1), 6) + 0.0
    _, kind, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    again = [frame.name for frame, k in zip(frames, kind.ravel(), strict=True) if count[k] > 1]
    if not again:
        return []
    what = f"{images(len(again))} share their pose with another: they add no view"
    return [Finding("warning", "poses", what, tuple(again), "check how the poses were matched")]
