"""The surface of what was learned into a mesh file: the verb `export`."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from rayfield.app.meshes.finish import finished
from rayfield.app.meshes.kept import cropped, cropped_points
from rayfield.app.meshes.level_set import LevelSet, mesh_of
from rayfield.app.meshes.meshfile import quality_file, save_mesh
from rayfield.app.meshes.meshing import Meshing, check_file, check_kept, check_meshing
from rayfield.app.meshes.skin import BARE, Skin
from rayfield.app.meshes.texture import check_installed
from rayfield.core.check import UsageError
from rayfield.core.types import Mesh, PointCloud
from rayfield.geometry.mesh import transform
from rayfield.geometry.pointwriter import check_points_target, write_points
from rayfield.geometry.textured import Textured, moved
from rayfield.train.files import write_json
from rayfield.train.run import Run

Progress = Callable[[float], None]
_log = logging.getLogger("rayfield")


class Subject(NamedTuple):
    """A surface as it can be asked of a run at a step of its training: a level set, or a mesh that
    is kept, in the scene's frame, and what lies on it."""

    run: Run
    step: int
    shape: LevelSet | Mesh
    world_from_scene: Float[np.ndarray, "4 4"]
    skin: Skin = BARE


def export(
    subject: Subject,
    path: Path | str,
    meshing: Meshing,
    *,
    force: bool = False,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Write a surface to a mesh file; what one asks of a mesh before using it.

    The mesh is closed; pieces with less than 2 % of the area of the largest are left out. Its
    quality is kept beside it, and in the run. Raises UsageError for arguments that make no mesh,
    RayfieldError if the file exists (unless `force`) or there is no surface.
    """
    started = time.perf_counter()
    path = Path(path)
    check_file(path, meshing, force=force)
    if meshing.texture is not None:
        check_installed()
    notes: list[str] = []
    later = meshing.faces is not None or meshing.texture is not None
    share = 0.5 if later else 0.9
    raw = found_surface(subject, meshing, progress=lambda done: progress(share * done))
    made = finished(
        raw,
        subject.skin,
        meshing,
        notes=notes,
        progress=lambda done: progress(share + (1 - share) * done),
    )
    if meshing.frame == "world":
        matrix = subject.world_from_scene
        made = moved(made, matrix) if isinstance(made, Textured) else transform(made, matrix)
    found = save_mesh(path, made, frame=meshing.frame, force=force, notes=notes)
    if isinstance(subject.shape, LevelSet):
        found |= {"threshold": subject.shape.level * subject.shape.unit}
        found |= {"resolution": meshing.resolution}
    if meshing.crop is not None:
        found["crop"] = [*meshing.crop.low, *meshing.crop.high]
    found |= {"step": subject.step, "seconds": time.perf_counter() - started}
    progress(1.0)
    remember(subject.run, path, found)
    return found


def found_surface(
    subject: Subject, meshing: Meshing, *, progress: Progress = lambda _: None
) -> Mesh:
    """The surface in the scene's frame as it is found, before anything is left out of it.

    Raises UsageError and RayfieldError as `mesh_of` and `cropped` do.
    """
    check_meshing(meshing)
    if isinstance(subject.shape, Mesh):
        check_kept(meshing, "a mesh, which is written as it is")
        if meshing.crop is None:
            return subject.shape
        return cropped(subject.shape, meshing.crop, subject.world_from_scene)
    if meshing.threshold is not None and subject.shape.quantity != "density":
        raise UsageError(
            f"--threshold is a density; the surface here is where its {subject.shape.quantity} "
            f"is {subject.shape.level:g}"
        )
    return mesh_of(
        subject.shape,
        meshing,
        subject.world_from_scene,
        where=subject.run.path,
        progress=progress,
    )


def surface(subject: Subject, meshing: Meshing, *, progress: Progress = lambda _: None) -> Mesh:
    """The mesh that `export` would write, in the scene's frame, with what lies on it."""
    made = finished(
        found_surface(subject, meshing, progress=progress), subject.skin, meshing, notes=[]
    )
    assert isinstance(made, Mesh)
    return made


def write_cloud(
    path: Path,
    cloud: PointCloud,
    colors: UInt8[np.ndarray, "N 3"],
    *,
    meshing: Meshing,
    matrix: Float[np.ndarray, "4 4"],
    force: bool,
) -> dict[str, Any]:
    """Write the points of a method that keeps some; `matrix` is world_from_scene."""
    check_points_target(path, force=force)
    check_meshing(meshing)
    check_kept(meshing, "points, which are written as they are")
    if meshing.faces is not None or meshing.texture is not None or meshing.pieces is not None:
        raise UsageError("--faces, --pieces and --texture are for meshes; this run keeps points")
    world = PointCloud(cloud.points @ matrix[:3, :3].T + matrix[:3, 3], cloud.normals)
    if meshing.crop is not None:
        world, colors = cropped_points(world, colors, meshing.crop)
    if meshing.frame == "scene":
        back = np.linalg.inv(matrix)
        world = PointCloud(world.points @ back[:3, :3].T + back[:3, 3], world.normals)
    write_points(path, world, colors=colors, force=force)
    return {"file": path.as_posix(), "frame": meshing.frame, "points": len(world.points)}


def remember(run: Run, path: Path, found: dict[str, Any]) -> None:
    """Keep the report of a mesh beside it and, as the newest, in the run, even one in training.

    A run that cannot be written to keeps none.
    """
    record = {"method": run.record["method"], "run": run.path.as_posix(), **found}
    try:
        write_json(quality_file(path), record)
    except OSError as error:
        _log.warning("%s: could not be written (%s)", quality_file(path), error.strerror)
    with contextlib.suppress(OSError):
        write_json(run.mesh, record)
