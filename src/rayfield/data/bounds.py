"""How near to the lenses content may be, and the ball that an uncut subject is looked for in.

Both come from the sparse points where a data set has enough of them, else from the cameras alone.
The ball is about the centre of the scene, and ends before the cameras. It reaches as far as nearly
all the points that nearly all photos show; without points, twice as far as the middle photo shows
all around the centre, for subjects may be larger than pictures.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from rayfield.data.scene import Frame
from rayfield.math.rays import project

CLOSE_CAMERAS, BALL = 2, 0.8  # per cent; of their distance, what the subject's ball takes up
JUDGED = 50_000  # sparse points
ENOUGH = 100  # of them, to tell anything
SHOWN = 0.9  # part of the photos that show a point of the subject
MOST, ROOM = 98, 1.1  # per cent of those points; how much farther the ball reaches
SPAN = 2.0  # of what a photo shows around the centre
STRAY = 0.2  # part of the cameras that may stand in the ball, or look away, without remark

Vector = Float[np.ndarray, " 3"]


class Sightings(NamedTuple):
    """Some sparse points, how many photos each is in front of and within, and all depths there."""

    points: Float[np.ndarray, "N 3"]
    photos: Int[np.ndarray, " N"]
    depths: Float[np.ndarray, " S"]


class Reach(NamedTuple):
    """How far from the centre the subject may reach, and how that is known."""

    radius: float
    told_by: str


def sightings(frames: tuple[Frame, ...], points: np.ndarray | None) -> Sightings | None:
    """Which photos show the sparse points; None with less than ENOUGH of them.

    Of many points, up to JUDGED evenly chosen ones are looked at.
    """
    if points is None or len(points) < ENOUGH:
        return None
    points = points[:: -(-len(points) // JUDGED)]
    photos, depths = np.zeros(len(points), np.int64), []
    for frame in frames:
        pixels, depth = (x.numpy() for x in project(frame.camera, torch.from_numpy(points)))
        size = (frame.camera.width, frame.camera.height)
        shown = (depth > 0) & ((pixels >= 0) & (pixels < size)).all(axis=1)
        photos += shown
        depths.append(depth[shown])
    return Sightings(points, photos, np.concatenate(depths))


def nearest_content(seen: Sightings | None) -> float | None:
    """The depth that one sighting in a thousand undercuts; None where nothing is seen."""
    if seen is None or len(seen.depths) == 0:
        return None
    return float(np.percentile(seen.depths, 0.1))


def near_plane(nearest: float | None, distances: Float[np.ndarray, " N"]) -> float:
    """Half the depth of the nearest content if known, else a tenth of the median distance of the
    cameras from the centre; between 1 % and 50 % of that distance."""
    typical = max(float(np.median(distances)), 0.1 * float(distances.max()))
    if nearest is None:
        return 0.1 * typical
    return float(np.clip(0.5 * nearest, 0.01 * typical, 0.5 * typical))


def subject_ball(
    frames: tuple[Frame, ...],
    centre: Vector,
    distances: Float[np.ndarray, " N"],
    *,
    seen: Sightings | None,
) -> Reach:
    """The ball about `centre` that the subject of whole photos is taken to lie in; see above.

    `distances` are those of the cameras from the centre. A few that stand in the subject's midst
    aside, no camera is in the ball.
    """
    nearest = float(np.percentile(distances, CLOSE_CAMERAS))
    limit = BALL * max(nearest, BALL * float(np.median(distances)))
    if seen is not None:
        away = np.linalg.norm(seen.points - centre, axis=1)
        subject = away[(seen.photos >= SHOWN * len(frames)) & (away < limit)]
        if len(subject) >= ENOUGH:
            reach = ROOM * float(np.percentile(subject, MOST))
            return Reach(min(limit, reach), "the sparse points that most photos show")
    span = SPAN * float(np.median([shown_around(frame, centre) for frame in frames]))
    if 0 < span < limit:
        return Reach(span, "what most photos show")
    return Reach(limit, "where the cameras stand")


def shown_around(frame: Frame, centre: Vector) -> float:
    """The radius of the largest ball about a point that lies in a photo's field of view whole;
    negative where the point lies outside. Distortion is left out."""
    camera = frame.camera
    x, y, z = (np.linalg.inv(camera.pose) @ np.append(centre, 1.0))[:3]
    sides = []
    for along, middle, focal, size in (
        (x, camera.cx, camera.fx, camera.width),
        (y, camera.cy, camera.fy, camera.height),
    ):
        low, high = middle / focal, (size - middle) / focal
        sides += [(z * low + along) / np.hypot(1, low), (z * high - along) / np.hypot(1, high)]
    return float(min(sides))


def not_around(poses: Float[np.ndarray, "N 4 4"], centre: Vector, radius: float) -> str | None:
    """What is said of cameras in the ball of the subject, or turned from it, if they are many."""
    towards = centre - poses[:, :3, 3]
    away = (towards * poses[:, :3, 2]).sum(axis=1) <= 0
    count = int((away | (np.linalg.norm(towards, axis=1) < radius)).sum())
    if count <= STRAY * len(poses):
        return None
    return (
        f"{count} of {len(poses)} cameras stand within the ball of the subject or look away from "
        "it: surfaces (neus, volsdf, unisurf) are found of what cameras stand around; of a room, "
        "learn views (instant)"
    )
