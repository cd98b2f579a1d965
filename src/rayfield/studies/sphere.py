"""Directions around a scene and above a point: where cameras stand, and what they see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.patches import Circle

from rayfield.core.drawing import FAINT, GRID, INK
from rayfield.core.types import Mesh
from rayfield.data.scene import Frame, Scene

Vectors = Float[np.ndarray, "N 3"]
CIRCLES = {"60° up": 1 / 3, "30°": 2 / 3, "horizon": 1.0}  # on the map that `from_above` makes


def directions(scene: Scene, frames: Sequence[Frame]) -> Vectors:
    """Unit vectors from the middle of the scene to the cameras, in the world's axes."""
    centres = np.stack([f.camera.pose[:3, 3] for f in frames])
    turned = centres @ scene.world_from_scene[:3, :3].T
    return turned / np.linalg.norm(turned, axis=1, keepdims=True)


def spread(points: Vectors, count: int) -> list[int]:
    """Indices of `count` points, each the farthest from those before (the first: point 0)."""
    chosen = [0]
    distance = np.linalg.norm(points - points[0], axis=1)
    while len(chosen) < count:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return chosen


def in_sector(points: Vectors, degrees: float, *, middle: float = 0.0) -> list[int]:
    """Indices of points whose azimuth is within half of `degrees` of `middle`."""
    azimuth = np.degrees(np.arctan2(points[:, 1], points[:, 0]))
    return np.flatnonzero(np.abs((azimuth - middle + 180) % 360 - 180) <= degrees / 2).tolist()


def nearest_degrees(points: Vectors, photos: Float[np.ndarray, "M 3"]) -> Float[np.ndarray, " N"]:
    """Angle from each direction to the nearest of the photos' directions."""
    return np.degrees(np.arccos(np.clip((points @ photos.T).max(axis=1), -1, 1)))


def from_above(points: Vectors) -> tuple[np.ndarray, np.ndarray]:
    """Where directions lie on the map: distance from its middle is the angle from the zenith."""
    radius = np.degrees(np.arccos(np.clip(points[:, 2], -1, 1))) / 90
    azimuth = np.arctan2(points[:, 1], points[:, 0])
    return radius * np.cos(azimuth), radius * np.sin(azimuth)


def draw(
    axes: Any,
    places: Vectors,
    photos: Float[np.ndarray, "M 3"],
    *,
    values: Sequence[float],
    scale: Any,
    labels: bool,
) -> None:
    """Values at places, and where photos were taken, on the map that `from_above` makes."""
    for label, radius in CIRCLES.items():
        axes.add_patch(Circle((0, 0), radius, fill=False, color=GRID, lw=0.9))
        if labels:
            axes.text(
                0, -radius, label, fontsize=6.5, color=FAINT, ha="center", va="center",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
            )  # fmt: skip
    x, y = from_above(photos)
    axes.plot(x, y, "x", color=INK, ms=5, mew=1.1)
    x, y = from_above(places)
    axes.scatter(x, y, c=values, norm=scale, cmap="viridis", s=34, lw=0)
    axes.set(xlim=(-1.14, 1.14), ylim=(-1.14, 1.14), aspect="equal")
    axes.set_axis_off()


def hemisphere(side: int) -> tuple[Vectors, np.ndarray]:
    """Unit directions above the horizon on a `side` x `side` map as `from_above` draws it, and
    which of its pixels they are (bool, row-major, north up)."""
    axis = (np.arange(side) + 0.5) / side * 2 - 1
    x, y = np.meshgrid(axis, -axis)
    radius = np.hypot(x, y).ravel()
    inside = radius < 1
    zenith = radius[inside] * np.pi / 2
    azimuth = np.arctan2(y.ravel(), x.ravel())[inside]
    flat = np.sin(zenith)
    directions = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.cos(zenith)], axis=1)
    return directions, inside


def unobstructed(mesh: Mesh, origins: Vectors, directions: Vectors) -> Bool[np.ndarray, " N"]:
    """Which rays meet no triangle (Moeller and Trumbore 1997, ray by ray)."""
    a, b, c = mesh.vertices[mesh.faces].swapaxes(0, 1)
    first, second = b - a, c - a
    free = np.ones(len(origins), bool)
    for index, (origin, direction) in enumerate(zip(origins, directions, strict=True)):
        across = np.cross(direction, second)
        volume = (first * across).sum(axis=1)
        inverse = 1 / np.where(np.abs(volume) < 1e-14, np.inf, volume)
        u = ((origin - a) * across).sum(axis=1) * inverse
        normal = np.cross(origin - a, first)
        v = (normal @ direction) * inverse
        t = (normal * second).sum(axis=1) * inverse
        free[index] = not ((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0) & (inverse != 0)).any()
    return free
