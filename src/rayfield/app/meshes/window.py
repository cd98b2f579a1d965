"""The box that a surface is sought in: the whole scene, or what a crop of the world leaves of it.

A crop lies along the axes of the world, which the scene may be turned against. So the surface is
sought in axes of the scene turned as the world's are: the sides of the crop are then cut exactly,
and all cells lie within it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from rayfield.app.contract import PointFn
from rayfield.app.meshes.meshing import Crop
from rayfield.core.check import UsageError
from rayfield.core.types import Mesh
from rayfield.geometry.mesh import transform

Vec = Float[np.ndarray, " 3"]
Matrix = Float[np.ndarray, "4 4"]


class Window(NamedTuple):
    """A box from `low` to `high` in axes that the rotation `turn` leads to from the scene's."""

    low: Vec
    high: Vec
    turn: Float[np.ndarray, "3 3"]

    def seen(self, value: PointFn) -> PointFn:
        """A function of scene points as one of points in the window's axes."""
        if np.array_equal(self.turn, np.eye(3)):
            return value
        turn = torch.from_numpy(self.turn)

        def turned(points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
            return value((points.double() @ turn).to(points.dtype))

        return turned

    def back(self, mesh: Mesh) -> Mesh:
        """A mesh in the window's axes as one in the scene's."""
        if np.array_equal(self.turn, np.eye(3)):
            return mesh
        matrix = np.eye(4)
        matrix[:3, :3] = self.turn.T
        return transform(mesh, matrix)


def whole(side: tuple[float, float]) -> Window:
    """The cube of a scene, from side[0] to side[1] along each axis."""
    return Window(np.full(3, side[0]), np.full(3, side[1]), np.eye(3))


def window_of(crop: Crop | None, world_from_scene: Matrix, side: tuple[float, float]) -> Window:
    """What a crop leaves of the cube of a scene, whose axes are kept where there is none.

    Raises UsageError for a crop that leaves nothing.
    """
    if crop is None:
        return whole(side)
    linear, shift = world_from_scene[:3, :3], world_from_scene[:3, 3]
    scale = float(np.cbrt(np.abs(np.linalg.det(linear))))
    turn = linear / scale  # a mirror too: its meshes are turned back the same way
    ends = np.array([[side[i >> k & 1] for k in range(3)] for i in range(8)])
    corners = ends @ turn.T
    low = np.maximum((np.array(crop.low) - shift) / scale, corners.min(axis=0))
    high = np.minimum((np.array(crop.high) - shift) / scale, corners.max(axis=0))
    if (low >= high).any():
        first, last = (
            ", ".join(f"{x:.4g}" for x in extreme * scale + shift)
            for extreme in (corners.min(axis=0), corners.max(axis=0))
        )
        raise UsageError(
            f"--crop {','.join(f'{x:g}' for x in (*crop.low, *crop.high))} leaves nothing: the "
            f"scene lies from ({first}) to ({last}) in world units"
        )
    return Window(low, high, turn)
