"""Camera paths for videos, in the scene's frame: round the subject, and through the photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from rayfield.core.types import Camera
from rayfield.data.normalise import upright

Vector = Float[np.ndarray, "3"]

LARGEST_GAP = np.radians(75)  # between neighbouring azimuths; beyond, photos cover only an arc
MARGIN = np.radians(3)  # kept from the ends of an arc
WAYPOINTS = 2000
SMOOTHING = 0.03  # of the way's length
COMPANY = 3  # photos that have to be near, for a place to be well seen
FAR = (0.6, 2.0)  # levers, and medians over the photos: where the third nearest is beyond, cut
SHORTEST = 0.04  # of the way: what lies between two cuts is longer, or left out
DETOUR = 1.5  # by how much the order of names may be longer than the shortest way found
LEVEL = np.cos(np.radians(20))  # a mean up direction nearer to +z than this counts as +z


def turntable(cameras: Sequence[Camera], frames: int) -> list[Camera]:
    """`frames` cameras looking at the origin from round it, at the photos' height and distance.

    Where the photos leave a wide gap, the cameras swing to and fro over the arc they cover; there
    height and distance follow the photos nearby. One period: the last frame precedes the first.
    """
    poses = np.stack([camera.pose for camera in cameras])
    turn = upright(poses)  # columns: the orbit's axes, the third is up
    if turn[2, 2] > LEVEL:
        turn = np.eye(3)
    places = poses[:, :3, 3] @ turn
    azimuth = np.arctan2(places[:, 1], places[:, 0])
    low, high = covered_arc(azimuth)
    phase = np.arange(frames) / frames
    if high - low >= 2 * np.pi:
        angles = low + 2 * np.pi * phase
        rings = np.full(frames, np.inf)
    else:
        middle, half = 0.5 * (low + high), max(0.5 * (high - low) - MARGIN, 0.0)
        angles = middle + half * np.sin(2 * np.pi * phase)
        rings = np.full(frames, max(0.3 * half, np.radians(10)))
    lens = _mean_lens(cameras)
    found = []
    for angle, ring in zip(angles, rings, strict=True):
        away = (azimuth - angle + np.pi) % (2 * np.pi) - np.pi
        weight = np.exp(-0.5 * (away / ring) ** 2) + 1e-9
        place = _at(places, weight / weight.sum(), angle)
        found.append(replace(lens, pose=look_at(turn @ place, np.zeros(3), turn[:, 2])))
    return found


def covered_arc(azimuth: Float[np.ndarray, " N"]) -> tuple[float, float]:
    """The range of angles that photos cover: 2 pi wide unless they leave a wide gap."""
    ordered = np.sort(azimuth)
    gaps = np.diff(np.append(ordered, ordered[0] + 2 * np.pi))
    widest = int(np.argmax(gaps))
    if gaps[widest] < LARGEST_GAP:
        return -0.5 * np.pi, 1.5 * np.pi
    low = ordered[(widest + 1) % len(ordered)]
    return float(low), float(low + 2 * np.pi - gaps[widest])


def _at(places: np.ndarray, weight: np.ndarray, angle: float) -> Vector:
    """The point at an azimuth with the photos' weighted mean elevation and distance."""
    distance = np.linalg.norm(places, axis=1)
    elevation = np.arcsin(np.clip(places[:, 2] / np.maximum(distance, 1e-9), -1, 1))
    e, d = float(weight @ elevation), float(weight @ distance)
    direction = [np.cos(e) * np.cos(angle), np.cos(e) * np.sin(angle), np.sin(e)]
    return d * np.array(direction)


def look_at(eye: Vector, target: Vector, up: Vector) -> Float[np.ndarray, "4 4"]:
    """The pose (x right, y down, z forward) of a camera at `eye` that looks at `target`."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, up)
    right /= max(np.linalg.norm(right), 1e-9)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = eye
    return pose


def interpolate(cameras: Sequence[Camera], frames: int) -> list[Camera]:
    """`frames` cameras on a smooth way along the photos' poses, at nearly constant speed.

    The way leads from photo to photo in their order, if that is nearly the shortest way, else
    from neighbour to neighbour, and is then smoothed: it keeps near the photos and turns gently.
    It hurries where they are far, and cuts across gaps that no photo shows well.
    """
    poses = np.stack([camera.pose for camera in cameras])
    radius = np.linalg.norm(poses[:, :3, 3], axis=1)
    around = radius.min() > 0.3 * np.median(radius)  # the photos surround the origin
    lever = max(float(np.median(radius)), 1e-9)
    # A pose as a point: the lens, and how the axes forward and right point, `lever` away; so
    # distances count movement and turning alike.
    marks = np.hstack([poses[:, :3, 3], lever * poses[:, :3, 2], lever * poses[:, :3, 0]])
    order = visiting_order(marks)
    way = np.hstack([marks, radius[:, None]])[order]
    way = _even(_smooth(_even(way, WAYPOINTS)), WAYPOINTS)
    way = _hurried(way, lonely(way[:, :9], marks, lever), frames)
    lens = _mean_lens(cameras)
    found = []
    for row in way:
        place = row[:3] * (row[9] / np.linalg.norm(row[:3]) if around else 1.0)
        found.append(replace(lens, pose=_pose(place, row[3:6], row[6:9])))
    return found


def _pose(place: Vector, forward: Vector, right: Vector) -> Float[np.ndarray, "4 4"]:
    """A pose from axes that are neither unit nor quite at right angles."""
    z = forward / np.linalg.norm(forward)
    x = right - (right @ z) * z
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3] = np.stack([x, np.cross(z, x), z, place], axis=1)
    return pose


def _even(way: Float[np.ndarray, "N D"], count: int) -> Float[np.ndarray, "M D"]:
    """`count` points at equal distances along a polygon, as far as its first nine columns tell."""
    steps = np.linalg.norm(np.diff(way[:, :9], axis=0), axis=1)
    length = np.append(0.0, np.cumsum(steps))
    at = np.linspace(0.0, length[-1], count)
    return np.stack([np.interp(at, length, column) for column in way.T], axis=1)


def lonely(
    way: Float[np.ndarray, "N 9"], marks: Float[np.ndarray, "P 9"], lever: float
) -> Float[np.ndarray, " N"]:
    """How far points of the way are from the third nearest photo; above 1, too far (FAR).

    The bar is also measured by the photos' own distances: few of them may lie far apart.
    """
    company = min(COMPANY, len(marks) - 1)
    own = np.sort(np.linalg.norm(marks[:, None] - marks, axis=-1), axis=1)[:, company]
    found = np.sort(np.linalg.norm(way[:, None] - marks, axis=-1), axis=1)[:, max(company - 1, 0)]
    bar = max(FAR[0] * lever, FAR[1] * float(np.median(own)))
    return found / max(bar, 1e-12)


def _hurried(
    way: Float[np.ndarray, "N D"], far: Float[np.ndarray, " N"], count: int
) -> Float[np.ndarray, "M D"]:
    """`count` points along a way of even points, the further apart the lonelier, none too far."""
    pace = np.where(_kept(far <= 1), 1 / (1 + far**4), 0.0)
    time = np.cumsum(pace)
    at = np.linspace(time[0], time[-1], count)
    on = np.flatnonzero(pace)
    place = np.interp(at, time[on], on)
    in_gap = (pace[np.floor(place).astype(int)] == 0) | (pace[np.ceil(place).astype(int)] == 0)
    place[in_gap] = on[np.searchsorted(on, place[in_gap])]
    return np.stack([np.interp(place, np.arange(len(way)), column) for column in way.T], axis=1)


def _kept(near: Bool[np.ndarray, " N"]) -> Bool[np.ndarray, " N"]:
    """Without the short stretches; all of the way if nothing is left."""
    edges = np.flatnonzero(np.diff(near, prepend=False, append=False))
    kept = np.zeros_like(near)
    for first, last in edges.reshape(-1, 2):
        kept[first:last] = last - first >= SHORTEST * len(near)
    return kept if kept.any() else np.ones_like(near)


def _smooth(way: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N D"]:
    """A weighted mean over the neighbours along the way (Gaussian of width SMOOTHING)."""
    reach = int(3 * SMOOTHING * len(way))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (SMOOTHING * len(way))) ** 2)
    padded = np.pad(way, ((reach, reach), (0, 0)), mode="edge")
    columns = [np.convolve(c, weights / weights.sum(), mode="valid") for c in padded.T]
    return np.stack(columns, axis=1)


def visiting_order(points: Float[np.ndarray, "N D"]) -> Int[np.ndarray, " N"]:
    """The given order if it is at most DETOUR times as long as the way found from neighbour to
    neighbour, improved by reversing stretches (2-opt); else that way."""
    n = len(points)
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    order, left = [0], set(range(1, n))
    while left:
        order.append(min(left, key=lambda j: distance[order[-1], j]))
        left.remove(order[-1])
    way = np.array(order)
    for _ in range(20):
        if not _shorten(way, distance):
            break
    given = distance[np.arange(n - 1), np.arange(1, n)].sum()
    return np.arange(n) if given <= DETOUR * distance[way[:-1], way[1:]].sum() else way


def _shorten(way: np.ndarray, distance: np.ndarray) -> bool:
    """Reverse stretches whose reversal shortens an open way; whether any did."""
    improved = False
    for i in range(len(way) - 1):
        ends, after = way[i + 1 :], way[i + 2 :]  # of the stretches that start at i
        gain = np.zeros(len(ends))
        if i > 0:
            gain += distance[way[i - 1], way[i]] - distance[way[i - 1], ends]
        gain[:-1] += distance[ends[:-1], after] - distance[way[i], after]
        best = int(gain.argmax())
        if gain[best] > 1e-9:
            way[i : i + best + 2] = way[i : i + best + 2][::-1].copy()
            improved = True
    return improved


def _mean_lens(cameras: Sequence[Camera]) -> Camera:
    """The first camera's picture with the mean focal length, centred and without distortion."""
    first = cameras[0]
    focal = float(np.mean([c.fx / c.width for c in cameras])) * first.width
    ratio = float(np.mean([c.fy / c.fx for c in cameras]))
    return replace(
        first,
        fx=focal,
        fy=focal * ratio,
        cx=0.5 * first.width,
        cy=0.5 * first.height,
        distortion=(),
        lens="perspective",
    )
