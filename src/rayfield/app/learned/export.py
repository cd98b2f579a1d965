"""The surface of a trained field as a mesh: the verb `export`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from rayfield.app.contract import ColorFn, MeshMethod, PointFn, PointMethod
from rayfield.app.drawing.figures import bytes_of
from rayfield.app.drawing.surfaces import surface_mesh, without_crumbs
from rayfield.app.learned import cameras as cams
from rayfield.app.learned.field import TrainedField
from rayfield.app.learned.hidden import span_hidden
from rayfield.app.learned.meshfile import save_mesh
from rayfield.core.check import UsageError
from rayfield.core.types import Camera, Mesh, PointCloud
from rayfield.geometry.marching import Search, extract
from rayfield.geometry.mesh import transform, vertex_normals
from rayfield.geometry.meshio import check_target
from rayfield.geometry.pointwriter import check_points_target, write_points

LOOKERS = 4  # photos whose directions a vertex is coloured from
COLOR_CHUNK = 2**14
CAREFUL = 128  # cells a side up to which a field is asked everywhere
PROBES = 48  # along each axis, for the range of a field

# Of the surface, in 1 / scene unit: 1.25 % of the side of the cube [-1, 1]^3 absorb half the light.
# With denser levels thin parts are eaten away, with thinner ones they are wrapped in fog.
DEFAULT_DENSITY = math.log(2) / 0.025


class Meshing(NamedTuple):
    """How to mesh: cells along the longest side, the density of the surface (1 / world unit, None:
    that of `default_level`), and the frame of the vertices ("world" or "scene")."""

    resolution: int = 192
    threshold: float | None = None
    frame: str = "world"


DEFAULT = Meshing()


def export(
    field: TrainedField,
    path: Path | str,
    meshing: Meshing = DEFAULT,
    *,
    force: bool = False,
    progress: Callable[[float], None] = lambda _: None,
) -> dict[str, Any]:
    """Write the field's surface to a mesh file; what one asks of a mesh before using it.

    The mesh is closed and coloured; components with less than 2 % of the area of the largest are
    left out. Raises UsageError for arguments that make no mesh, RayfieldError if the file exists
    (unless `force`) or the field has no surface.
    """
    started = time.perf_counter()
    path = Path(path)
    if isinstance(field.method, PointMethod):
        cloud, colors = field.method.cloud(field.model)
        return write_cloud(
            path, cloud, colors, meshing=meshing, matrix=field.world_from_scene, force=force
        )
    check_target(path, force=force)
    notes: list[str] = []
    if isinstance(field.method, MeshMethod):
        mesh, level = own_mesh(field.method.mesh(field.model), meshing), None
    else:
        mesh, level = surface(field, meshing, progress=progress, notes=notes)
    if meshing.frame == "world":
        mesh = transform(mesh, field.world_from_scene)
    found = save_mesh(path, mesh, frame=meshing.frame, force=force, notes=notes)
    if level is not None:
        found["threshold"] = level / cams.scale_of(field.world_from_scene)
        found["resolution"] = meshing.resolution
    return found | {"seconds": time.perf_counter() - started}


def write_cloud(
    path: Path,
    cloud: PointCloud,
    colors: Tensor,
    *,
    meshing: Meshing,
    matrix: Float[np.ndarray, "4 4"],
    force: bool,
) -> dict[str, Any]:
    """Write the points of a method that keeps some; `matrix` is world_from_scene."""
    check_points_target(path, force=force)
    _check_kept(meshing, "points, which are written as they are")
    if meshing.frame == "world":
        moved = cloud.points @ matrix[:3, :3].T + matrix[:3, 3]
        cloud = PointCloud(moved, cloud.normals)
    write_points(path, cloud, colors=colors.numpy(), force=force)
    return {"file": path.as_posix(), "frame": meshing.frame, "points": len(cloud.points)}


def own_mesh(mesh: Mesh, meshing: Meshing) -> Mesh:
    """The mesh of a method that keeps one, with normals. Raises UsageError for a threshold."""
    _check_kept(meshing, "a mesh, which is written as it is")
    return replace(mesh, normals=vertex_normals(mesh))


def surface(
    field: TrainedField,
    meshing: Meshing,
    *,
    progress: Callable[[float], None],
    notes: list[str] | None = None,
) -> tuple[Mesh, float]:
    """The coloured mesh in the scene's frame, and its density, in 1 / scene unit, or the level 0
    of a signed distance. As `without_crumbs`."""
    _check_frame(meshing)
    color = field.scene_color()
    value = field.scene_surface()
    if value is None:
        mesh, level = _dense_surface(field, meshing, progress)
        mesh = without_crumbs(mesh, notes)
    elif meshing.threshold is not None:
        raise UsageError("--threshold is a density; a signed surface is where its value is 0")
    else:
        value = value if field.traits.bounded else cut_to_ball(value)
        mesh, level = surface_mesh(value, meshing.resolution, progress=progress, notes=notes), 0.0
        mesh = span_hidden(mesh, photos_of(field), notes)
    return replace(mesh, colors=vertex_colors(field, mesh, color)), level


def _dense_surface(
    field: TrainedField, meshing: Meshing, progress: Callable[[float], None]
) -> tuple[Mesh, float]:
    """Where density reaches a threshold."""
    unit = cams.scale_of(field.world_from_scene)
    density = field.scene_density()
    if not field.traits.bounded:
        density = in_ball(density)
    if meshing.threshold is None:
        level = default_level(density)
    elif 0 < meshing.threshold < math.inf:
        level = meshing.threshold * unit
    else:
        raise UsageError(f"threshold {meshing.threshold} is no density; give more than 0")
    mesh = extract(
        density,
        level=level,
        box_min=(-1.0, -1.0, -1.0),
        box_max=(1.0, 1.0, 1.0),
        resolution=meshing.resolution,
        inside="above",
        progress=progress,
        search=careful(meshing.resolution),
    )
    return mesh, level


def careful(resolution: int) -> Search:
    """How to look for the surface of what was learned, which may be thin: everywhere on 128^3 to
    255^3 cells, then only where the surface passes. Missed are pieces on their own that are thinner
    than a cell of the former and that none of its corners meets."""
    return Search(coarse=min(resolution, CAREFUL))


def _check_kept(meshing: Meshing, what: str) -> None:
    if meshing.threshold is not None:
        raise UsageError(f"--threshold is a density; this run keeps {what}")
    _check_frame(meshing)


def _check_frame(meshing: Meshing) -> None:
    if meshing.frame not in ("world", "scene"):
        raise UsageError(f"there is no frame {meshing.frame!r}; give world or scene")


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


def vertex_colors(field: TrainedField, mesh: Mesh, color: ColorFn) -> UInt8[np.ndarray, "V 3"]:
    """The colour of every vertex seen from amid the photos that face it most squarely."""
    assert mesh.normals is not None
    eyes = np.stack([photo.pose[:3, 3] for photo in photos_of(field)])
    found = np.empty((len(mesh.vertices), 3), np.float32)
    for first in range(0, len(found), COLOR_CHUNK):
        part = slice(first, first + COLOR_CHUNK)
        points, normals = mesh.vertices[part], mesh.normals[part]
        away = points[:, None] - eyes[None]
        away /= np.linalg.norm(away, axis=-1, keepdims=True)
        facing = -np.einsum("vck,vk->vc", away, normals)
        lookers = np.argsort(-facing, axis=1, kind="stable")[:, :LOOKERS]
        weights = np.take_along_axis(facing, lookers, axis=1).clip(0.05)[..., None]
        directions = np.take_along_axis(away, lookers[..., None], axis=1)
        along = torch.from_numpy((directions * weights).sum(axis=1)).float()
        along = torch.nn.functional.normalize(along, dim=-1)
        with torch.no_grad():
            found[part] = color(torch.from_numpy(points).float(), along).numpy()
    return bytes_of(found)
