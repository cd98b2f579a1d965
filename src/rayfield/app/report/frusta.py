"""Cameras as lines."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from rayfield.core.types import Camera


def pyramid(camera: Camera, depth: float) -> Float[np.ndarray, "16 3"]:
    """Eight lines, two points each, in the frame of the camera's pose: the border of its picture at
    `depth` or nearer, for wide lenses, and from the lens to its corners."""
    x = (np.array([0, camera.width, camera.width, 0]) - camera.cx) / camera.fx
    y = (np.array([0, 0, camera.height, camera.height]) - camera.cy) / camera.fy
    corners = np.stack([x, y, np.ones(4)], axis=1)
    corners *= depth / max(1.0, 1.5 * float(np.abs(corners[:, :2]).max()))
    world = corners @ camera.pose[:3, :3].T + camera.pose[:3, 3]
    border = np.stack([world, np.roll(world, -1, axis=0)], axis=1)
    edges = np.stack([np.repeat(camera.pose[None, :3, 3], 4, axis=0), world], axis=1)
    return np.concatenate([border, edges]).reshape(-1, 3)


def cube(world_from_scene: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "24 3"]:
    """Twelve lines: the edges of the cube [-1, 1]^3 of a scene, in the world."""
    lines = []
    for axis in range(3):
        for a in (-1.0, 1.0):
            for b in (-1.0, 1.0):
                lines += [np.insert([a, b], axis, v) for v in (-1.0, 1.0)]
    return np.array(lines) @ world_from_scene[:3, :3].T + world_from_scene[:3, 3]
