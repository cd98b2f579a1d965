"""The surface of a trained field, and its colours as the photos show them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from rayfield.app.contract import MeshMethod, PointFn, PointMethod
from rayfield.app.drawing.figures import bytes_of
from rayfield.app.drawing.surfaces import gradient_normals, in_chunks
from rayfield.app.learned import cameras as cams
from rayfield.app.learned.field import TrainedField
from rayfield.app.meshes import export as meshes
from rayfield.app.meshes.kept import colors_of
from rayfield.app.meshes.level_set import LevelSet
from rayfield.app.meshes.meshing import DEFAULT, Meshing
from rayfield.app.meshes.skin import ColorOf, Skin
from rayfield.core.parts import in_parts
from rayfield.core.types import Camera, Mesh
from rayfield.geometry.hidden import span_hidden

LOOKERS = 8  # photos whose directions a point is coloured from
COLOR_PAIRS = 2**21  # of points and photos, looked at together
PROBES = 48  # along each axis, for the range of a field
SLOPE = 2e-3  # scene units, for the normals of a signed distance

# Of the surface, in 1 / scene unit: 1.25 % of the side of the cube [-1, 1]^3 absorb half the light.
# With denser levels thin parts are eaten away, with thinner ones they are wrapped in fog.
DEFAULT_DENSITY = math.log(2) / 0.025


def export(
    field: TrainedField,
    path: Path | str,
    meshing: Meshing = DEFAULT,
    *,
    force: bool = False,
    progress: Callable[[float], None] = lambda _: None,
) -> dict[str, Any]:
    """Write the field's surface to a mesh file, or the points of a method that keeps some; what
    one asks of a mesh before using it. As `meshes.export.export`."""
    if isinstance(field.method, PointMethod):
        cloud, colors = field.method.cloud(field.model)
        matrix = field.world_from_scene
        return meshes.write_cloud(
            Path(path), cloud, colors.numpy(), meshing=meshing, matrix=matrix, force=force
        )
    subject = subject_of(field, meshing.threshold)
    return meshes.export(subject, path, meshing, force=force, progress=progress)


def subject_of(field: TrainedField, threshold: float | None = None) -> meshes.Subject:
    """The surface of a field, at a density in 1 / world unit (None: that of `default_level`).

    Raises UsageError for a field that has none.
    """
    world, run, step = field.world_from_scene, field.run, field.step
    if isinstance(field.method, MeshMethod):
        mesh = field.method.mesh(field.model)
        return meshes.Subject(run, step, mesh, world, Skin(color=colors_of(mesh)))
    unit, value = cams.scale_of(world), field.scene_surface()
    color = view_colors(field)
    if value is not None:
        value, photos = value if field.traits.bounded else cut_to_ball(value), photos_of(field)
        shape = LevelSet(value, 0.0, "below", "signed distance", unit)
        skin = Skin(normals_of(value), color, lambda mesh, notes: span_hidden(mesh, photos, notes))
        return meshes.Subject(run, step, shape, world, skin)
    density = field.scene_density()
    if not field.traits.bounded:
        density = in_ball(density)
    level = default_level(density) if threshold is None else threshold * unit
    shape = LevelSet(density, level, "above", "density", 1 / unit, thin=True)
    return meshes.Subject(run, step, shape, world, Skin(color=color))


def surface(
    field: TrainedField, meshing: Meshing, *, progress: Callable[[float], None] = lambda _: None
) -> Mesh:
    """The coloured mesh in the scene's frame. Raises as `export`."""
    return meshes.surface(subject_of(field, meshing.threshold), meshing, progress=progress)


def default_level(density: PointFn) -> float:
    """DEFAULT_DENSITY, or half of the greatest density where all is thinner (hardly trained)."""
    axis = torch.linspace(-1, 1, PROBES)
    with torch.no_grad():
        greatest = float(density(torch.cartesian_prod(axis, axis, axis)).max())
    return min(DEFAULT_DENSITY, 0.5 * greatest) if greatest > 0 else DEFAULT_DENSITY


def in_ball(density: PointFn) -> PointFn:
    """The density within the unit ball, zero outside: the subject of a scene without limits."""

    def inside(points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        return density(points) * (points.norm(dim=-1) < 1)

    return inside


def cut_to_ball(value: PointFn) -> PointFn:
    """The signed distance of what lies within the unit ball."""

    def inside(points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        return torch.maximum(value(points), points.norm(dim=-1) - 1)

    return inside


def photos_of(field: TrainedField) -> list[Camera]:
    """The cameras of the training photos, in the scene's frame."""
    matrix = field.world_from_scene
    cameras = [found.camera for found in field.split("train")]
    return [replace(camera, pose=cams.to_scene(camera.pose, matrix)) for camera in cameras]


def normals_of(value: PointFn) -> Callable[[Mesh], Float[np.ndarray, "V 3"]]:
    """Normals of vertices by the gradient of a signed distance."""
    return lambda mesh: gradient_normals(in_chunks(value), mesh, step=SLOPE)


def view_colors(field: TrainedField) -> ColorOf:
    """Colours of surface points without what changes with the view: the mean of those that the
    photos show which face a point most squarely, weighted by how squarely they do.

    Raises UsageError for a field without colours.
    """
    color = field.scene_color()
    eyes = np.stack([photo.pose[:3, 3] for photo in photos_of(field)])
    lookers = min(LOOKERS, len(eyes))

    def seen(
        points: Float[np.ndarray, "N 3"], normals: Float[np.ndarray, "N 3"]
    ) -> UInt8[np.ndarray, "N 3"]:
        away = points[:, None] - eyes[None]
        away /= np.linalg.norm(away, axis=-1, keepdims=True).clip(1e-9)
        facing = -np.einsum("vck,vk->vc", away, normals)
        first = np.argpartition(-facing, lookers - 1, axis=1)[:, :lookers]
        weights = np.take_along_axis(facing, first, axis=1).clip(0.05)
        total = np.zeros((len(points), 3))
        places = torch.from_numpy(points).float()
        for one in range(lookers):
            along = np.take_along_axis(away, first[:, one, None, None], axis=1)[:, 0]
            with torch.no_grad():
                shown = color(places, torch.from_numpy(along).float()).numpy()
            total += weights[:, one, None] * shown
        return bytes_of(total / weights.sum(axis=1, keepdims=True))

    def colors(
        points: Float[np.ndarray, "N 3"], normals: Float[np.ndarray, "N 3"]
    ) -> UInt8[np.ndarray, "N 3"]:
        found = np.empty((len(points), 3), np.uint8)
        each = max(1, COLOR_PAIRS // len(eyes))

        def paint(part: slice) -> None:
            found[part] = seen(points[part], normals[part])

        in_parts(paint, len(points), each)
        return found

    return colors
