"""A finite set of points that decides whether convex pieces cover a solid.

The planes of a solid's faces cut space into open cells, polygons, segments and points: strata.
Pieces bounded by those planes hold a stratum whole or not at all; and as they are open, a piece
that holds a stratum holds all those that end at it. So if anything inside is left over, then also a
crossing point of planes, or a stratum all of whose ends lie on the surface: a segment between two
crossings, a polygon between such segments, or a whole convex component. Asked are therefore every
crossing of three planes, the middle of every segment, and beside segments on the surface both
planes that meet there. (Components are found by random points.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from rayfield.geometry.polyhedron import Polyhedron, inside

NEAR = 1e-9  # nearer points count as on the surface, shorter segments as points
PARALLEL = 1e-6  # sine of the angle below which two planes have no line that can be trusted

Points = Float[np.ndarray, "N 3"]
LeftFn = Callable[[Points], Bool[np.ndarray, " N"]]
"""Which points are in no piece."""


class Gaps(NamedTuple):
    """A part of the search: points inside in no piece, how many were asked, how much is done."""

    points: Points
    asked: int
    done: float


class _Crossings(NamedTuple):
    """Of the lines in which one plane meets others: crossings with a third one, segments' middles,
    and for the latter the directions within each of the two planes across the line."""

    crossings: Points
    middles: Points
    across: Float[np.ndarray, "N 2 3"]


def gaps(solid: Polyhedron, left: LeftFn) -> Iterator[Gaps]:
    """Points inside a solid that are in no piece, plane by plane; none if the pieces cover it."""
    count = len(solid.planes)
    for plane in range(count):
        found = _along_lines(solid, plane)
        points = np.concatenate([found.crossings, found.middles])
        open_ = left(points)
        on = np.zeros(len(points), bool)
        on[open_] = on_surface(solid, points[open_])
        beside = _beside(solid, found, on[len(found.crossings) :])
        asked = len(points) + len(beside)
        beside = beside[left(beside)]
        beside = beside[~on_surface(solid, beside)]
        points = np.concatenate([points[open_ & ~on], beside])
        yield Gaps(points[inside(solid, points)], asked, (1 - (1 - (plane + 1) / count) ** 2))


def on_surface(solid: Polyhedron, points: Points) -> Bool[np.ndarray, " N"]:
    """Which points are on a face, to NEAR."""
    height = points @ solid.planes[:, :3].T + solid.planes[:, 3]
    point, face = np.nonzero(abs(height)[:, solid.plane_of] < NEAR)
    corners = solid.corners[face]
    normal = solid.planes[solid.plane_of[face], :3]
    turn = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal = normal * np.sign((turn * normal).sum(axis=1, keepdims=True))
    on = np.ones(len(point), bool)
    for k in range(3):
        edge = corners[:, (k + 1) % 3] - corners[:, k]
        edge /= np.linalg.norm(edge, axis=1, keepdims=True)
        side = (np.cross(edge, points[point] - corners[:, k]) * normal).sum(axis=1)
        on &= side > -NEAR
    found = np.zeros(len(points), bool)
    found[point[on]] = True
    return found


def _along_lines(solid: Polyhedron, plane: int) -> _Crossings:
    """What there is on the lines in which a plane meets those after it, in the solid's box."""
    low, high = (f(solid.corners, axis=(0, 1)) for f in (np.min, np.max))
    planes, own = solid.planes, solid.planes[plane]
    others = planes[plane + 1 :]
    along = np.cross(own[:3], others[:, :3])
    sine = np.linalg.norm(along, axis=1)
    keep = sine > PARALLEL
    others, along = others[keep], along[keep] / sine[keep, None]
    number = np.flatnonzero(keep) + plane + 1
    across = np.stack([np.cross(own[:3], along), np.cross(others[:, :3], along)], axis=1)
    # the point of the line nearest the origin: both planes' equations, and none along the line
    system = np.stack([np.broadcast_to(own[:3], along.shape), others[:, :3], along], axis=1)
    right = np.stack([np.full(len(others), -own[3]), -others[:, 3], np.zeros(len(others))], axis=1)
    start = np.linalg.solve(system, right[..., None])[..., 0] if len(others) else along
    slope = along @ planes[:, :3].T
    height = start @ planes[:, :3].T + planes[:, 3]
    flat = abs(slope) < PARALLEL
    at = np.where(flat, np.inf, -height / np.where(flat, 1, slope))
    place = start[:, None] + np.where(flat, 0, at)[..., None] * along[:, None]
    boxed = ((place > low - NEAR) & (place < high + NEAR)).all(axis=2) & ~flat
    once = boxed & (np.arange(len(planes))[None] > number[:, None])
    at = np.sort(np.where(boxed, at, np.inf), axis=1)
    with np.errstate(invalid="ignore"):
        line, k = np.nonzero(at[:, 1:] - at[:, :-1] > NEAR)
    line, k = (v[np.isfinite(at[line, k + 1])] for v in (line, k))
    middle = (at[line, k] + at[line, k + 1]) / 2
    middles = start[line] + middle[:, None] * along[line]
    return _Crossings(place[once], middles, across[line])


def _beside(solid: Polyhedron, found: _Crossings, on: Bool[np.ndarray, " S"]) -> Points:
    """Points of both planes on both sides of segments on the surface, before the next plane."""
    middles, across = found.middles[on], found.across[on]
    height = abs(middles @ solid.planes[:, :3].T + solid.planes[:, 3])
    room = np.where(height < NEAR, np.inf, height).min(axis=1, initial=1.0) / 2
    steps = across * room[:, None, None]
    both = middles[:, None, None] + np.stack([steps, -steps], axis=2)
    return both[room > 10 * NEAR].reshape(-1, 3)
