"""Whether poses mean what the form says: world-from-camera, in its axes; or something else.

The optical axes of a capture meet near its subject, and cameras see the sparse points. Both are
asked of four readings of the matrices in the file: as they are, inverted (camera-from-world given),
with y and z of the camera flipped (OpenGL's axes given for OpenCV's or the other way round), and
both. Another reading is suggested only where it is clearly better.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from rayfield.core.types import Camera
from rayfield.data.check.finding import Finding
from rayfield.data.check.poses import at_one_point
from rayfield.data.normalise import nearest_to_axes
from rayfield.math.rays import project

Name = Literal["as is", "inverted", "flipped", "inverted and flipped"]
FLIP = np.diag([1.0, -1.0, -1.0, 1.0])
POINTS = 2000  # looked at
IN_FRONT = 0.9  # share of cameras that have the meeting point in front of them
MEETS, CLEARER = 0.35, 3.0  # how near axes pass, for cameras 1 apart; how much nearer than as is
PARALLEL = 0.9  # length of the mean axis: above it axes are too parallel to tell anything
UNSEEN, SEEN = 0.03, 0.1  # share of points seen by cameras that are misread, that fit them
MEANS: dict[Name, str] = {
    "as is": "",
    "inverted": "camera-from-world matrices, where world-from-camera is expected",
    "flipped": "in the other convention of axes (OpenCV's y down, z forward, for OpenGL's y up, "
    "z back)",
    "inverted and flipped": "camera-from-world matrices in OpenCV's axes (COLMAP's own), where "
    "world-from-camera in OpenGL's is expected",
}

Poses = Float[np.ndarray, "N 4 4"]


class Score(NamedTuple):
    """How well a reading does.

    `meet`: root mean square distance of the axes from their meeting point, over that of the
    cameras from their mean; `front`: share of cameras in front of which it lies; `parallel`: length
    of the mean axis; `seen`: share of (camera, point) pairs where the point is in the picture, None
    without points.
    """

    meet: float
    front: float
    parallel: float
    seen: float | None


def readings(matrices: Poses, axes: Float[np.ndarray, "4 4"]) -> dict[Name, Poses]:
    """World-from-camera poses (OpenCV's axes) under each reading of a file's matrices."""
    inverse = np.linalg.inv(matrices)
    return {
        "as is": matrices @ axes,
        "inverted": inverse @ axes,
        "flipped": matrices @ axes @ FLIP,
        "inverted and flipped": inverse @ axes @ FLIP,
    }


def judge(
    poses: Poses, lenses: list[Camera], points: Float[np.ndarray, "P 3"] | None = None
) -> Score:
    """How well poses do, for cameras with those lenses."""
    seen = None if points is None or len(points) < 10 else _seen(poses, lenses, points)
    parallel = float(np.linalg.norm(poses[:, :3, 2].mean(axis=0)))
    centre = nearest_to_axes(poses)
    if at_one_point(poses) or centre is None:
        return Score(np.inf, 0.0, parallel, seen)
    arms = centre - poses[:, :3, 3]
    along = (arms * poses[:, :3, 2]).sum(axis=1)
    miss = np.sqrt(((arms - along[:, None] * poses[:, :3, 2]) ** 2).sum(axis=1).mean())
    places = poses[:, :3, 3]
    spread = np.sqrt(((places - places.mean(axis=0)) ** 2).sum(axis=1).mean())
    return Score(float(miss / spread), float((along > 0).mean()), parallel, seen)


def _seen(poses: Poses, lenses: list[Camera], points: Float[np.ndarray, "P 3"]) -> float:
    chosen = torch.from_numpy(np.ascontiguousarray(points[:: -(-len(points) // POINTS)]))
    shares = []
    for pose, lens in zip(poses, lenses, strict=True):
        pinhole = Camera(lens.width, lens.height, lens.fx, lens.fy, lens.cx, lens.cy, pose)
        pixels, depth = (x.numpy() for x in project(pinhole, chosen))
        inside = ((pixels >= 0) & (pixels < (lens.width, lens.height))).all(axis=1)
        shares.append(float((inside & (depth > 0)).mean()))
    return float(np.mean(shares))


def better(scores: dict[Name, Score]) -> Name | None:
    """The reading that is clearly better than the one as is; None where there is none."""
    own = scores["as is"]
    others = {name: score for name, score in scores.items() if name != "as is"}
    if own.seen is not None:
        best = max(others, key=lambda name: others[name].seen or 0.0)
        seen = others[best].seen or 0.0
        return best if own.seen < UNSEEN and seen > SEEN else None
    fit = [
        name
        for name, score in others.items()
        if score.meet < MEETS and score.front > IN_FRONT and score.parallel < PARALLEL
    ]
    if not fit:
        return None
    best = min(fit, key=lambda name: others[name].meet)
    wrong = own.front < 1 - IN_FRONT or own.meet > CLEARER * max(others[best].meet, MEETS / 3)
    return best if wrong else None


def check_axes(scores: dict[Name, Score], *, mendable: bool) -> list[Finding]:
    """An error where another reading is clearly better; the reading is in its words."""
    name = better(scores)
    if name is None:
        own = scores["as is"]
        if own.seen is not None and own.seen < UNSEEN:
            what = f"cameras see only {own.seen:.1%} of the sparse points: poses and points differ"
            return [Finding("warning", "axes", what, (), "export both from one reconstruction")]
        return []
    own, new = scores["as is"], scores[name]
    what = f"the poses seem to be {MEANS[name]}: read {name}, {_grounds(own, new)}"
    fix = "`rayfield check DATA --fix -o NEW` writes a corrected copy"
    return [Finding("error", "axes", what, (), fix if mendable else "export the poses again")]


def _grounds(own: Score, new: Score) -> str:
    if own.seen is not None and new.seen is not None:
        return f"cameras see {new.seen:.0%} of the sparse points instead of {own.seen:.0%}"
    if not np.isfinite(own.meet):
        return f"{new.front:.0%} of the cameras look at one place, and not all from one point"
    if own.front < 1 - IN_FRONT:
        return f"{new.front:.0%} of the cameras look at where their axes meet, not {own.front:.0%}"
    return f"the optical axes meet {own.meet / max(new.meet, 1e-3):.0f} times more closely"
