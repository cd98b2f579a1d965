"""Normals of a trained field where its views end, from the gradient of distance or density."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from rayfield.app.contract import PointFn
from rayfield.app.drawing import figures
from rayfield.app.learned.field import TrainedField, View
from rayfield.core.parts import in_parts
from rayfield.core.types import Camera
from rayfield.data.pixels import camera_rays
from rayfield.math.calculus import central_gradient

# Of differences, in scene units, in which the subject is 2 wide: smooths what is finer.
STEP = 0.02
DISTANCE_STEP = 0.004
ON_SURFACE = 0.03  # distance from it up to which a point counts as seen there, in radii of the ball
CHUNK = 2**14  # points at a time, at most


def normal_map(field: TrainedField, camera: Camera, view: View) -> Float[np.ndarray, "H W 3"]:
    """Unit normals at the expected depth of each pixel, world axes: along the gradient of the
    signed distance, or against that of density.

    `camera` and `view` are in the scene's frame. 0 where nothing is seen, and where no surface is:
    what is behind a subject has none.
    """
    rays = camera_rays(camera, field.traits)
    depth = torch.from_numpy(view.depth).reshape(-1, 1)
    points = rays.origins + depth * rays.directions
    surface = field.scene_surface()
    value, step = (field.scene_density(), STEP) if surface is None else (surface, DISTANCE_STEP)
    outwards = -1.0 if surface is None else 1.0

    def gradient(part: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
        return outwards * central_gradient(value, part, step)

    with torch.no_grad():
        found = torch.cat(in_parts(lambda part: gradient(points[part]), len(points), CHUNK))
    there = depth > 0
    if surface is not None and not field.traits.bounded:
        there &= _near(surface, points, field.traits.ball)
    normals = torch.nn.functional.normalize(found, dim=-1) * there
    rotation = field.world_from_scene[:3, :3] / np.cbrt(
        np.linalg.det(field.world_from_scene[:3, :3])
    )
    turned: Float[np.ndarray, "N 3"] = normals.numpy() @ rotation.T
    return turned.reshape(camera.height, camera.width, 3)


def _near(surface: PointFn, points: Float[Tensor, "N 3"], ball: float) -> Bool[Tensor, "N 1"]:
    """Whether points are on the surface, more or less; beyond the ball, distances mean nothing."""
    with torch.no_grad():
        found = torch.cat(in_parts(lambda part: surface(points[part]), len(points), CHUNK))
    near = (found.abs() <= ON_SURFACE * ball) & (points.norm(dim=-1) <= ball)
    return near[:, None]


def normal_colors(
    normals: Float[np.ndarray, "H W 3"], view: View, *, white: bool
) -> UInt8[np.ndarray, "H W 3"]:
    """Normals as colours: x, y, z from -1 to 1 are red, green, blue from 0 to 1."""
    opacity = np.clip(view.opacity, 0, 1)[..., None]
    return figures.bytes_of((0.5 + 0.5 * normals) * opacity + float(white) * (1 - opacity))
