"""The mesh of a page: small, coloured where colours were learned, as a GLB file."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from rayfield.app.drawing.surfaces import frame_of
from rayfield.app.learned.field import TrainedField
from rayfield.app.learned.field_surface import subject_of
from rayfield.app.learned.trained_geometry import TrainedGeometry
from rayfield.app.learned.trained_shapes import TrainedShapes
from rayfield.app.learned.trained_solid import TrainedSolid
from rayfield.app.learned.trained_surface import TrainedSurface
from rayfield.app.meshes.export import Subject, found_surface
from rayfield.app.meshes.finish import largest
from rayfield.app.meshes.level_set import LevelSet
from rayfield.app.meshes.meshing import DEFAULT, Meshing
from rayfield.app.report.facts import Facts
from rayfield.app.report.sphere import Around, around
from rayfield.app.sources.shapes import TrainedShape
from rayfield.core.check import UsageError
from rayfield.core.types import Camera, Mesh
from rayfield.data.pointfiles import usual_up
from rayfield.geometry.glb_write import encode_glb
from rayfield.geometry.mesh import report, transform
from rayfield.geometry.meshio import Y_UP, middle_of
from rayfield.geometry.simplify import simplify
from rayfield.render.shading import shade

FACES = 24_000  # of the mesh that the page holds
RESOLUTIONS, COARSEST = (160, 128, 96, 64), 48
GROWTH = 2.3  # of the number of faces with that of cells along a side; fog has more than a surface
PROBED = 2**13  # points that tell how fast a field is asked
FACE_SECONDS = 2e-5  # to find a face and to reduce the mesh by it
STILL = 420  # pixels of the picture that is shown where the mesh cannot be turned
TURN = np.array([-0.45, -0.9, 0.42])  # from the middle to the eye, in the upright frame


@dataclass
class MeshMade:
    """A mesh in the world as a GLB file, a picture of it, and what one asks of a mesh; which way is
    up, and from where to look first, in the file's own axes (y up)."""

    glb: bytes
    still: UInt8[np.ndarray, "H W 3"]
    quality: dict[str, Any]
    up: list[float]
    away: list[float]


def subject_for(learned: Any) -> Subject | None:
    """The surface of what was learned; None where it has none."""
    if isinstance(learned, TrainedField):
        try:
            return subject_of(learned)
        except UsageError:
            return None
    if isinstance(learned, TrainedGeometry | TrainedShape | TrainedSolid | TrainedSurface):
        try:
            return learned.subject()
        except UsageError:
            return None
    return learned.subject() if isinstance(learned, TrainedShapes) else None


def mesh_made(facts: Facts, learned: Any, budget: float) -> MeshMade | None:
    """The mesh of a page, at a resolution that about `budget` seconds allow; None where there is no
    surface, or no time. Raises RayfieldError where no surface is found."""
    subject = subject_for(learned) if budget > 0.3 else None
    if subject is None:
        return None
    found = _found(subject, budget)
    if found is None:
        return None
    mesh, resolution = found
    mesh = subject.skin.settled(replace(mesh, normals=subject.skin.normals(mesh)), [])
    if len(mesh.faces) > FACES:
        mesh = simplify(mesh, FACES, watch=False).mesh
    if subject.skin.color is not None and mesh.normals is not None:
        mesh = replace(mesh, colors=subject.skin.color(mesh.vertices, mesh.normals))
    world = transform(mesh, subject.world_from_scene)
    about = {"resolution": resolution, "colored": mesh.colors is not None}
    quality = report(world, crossings=True) | about
    return shown(world, frame_for(facts, subject), quality)


def _found(subject: Subject, budget: float) -> tuple[Mesh, int | None] | None:
    """The surface without crumbs, and the cells along a side that it was found on (None: the run
    keeps it); None where time allows no surface."""
    if isinstance(subject.shape, Mesh):
        return found_surface(subject, DEFAULT), None
    seconds = question_seconds(subject.shape)
    if questions(subject.shape, COARSEST) * seconds > budget:
        return None
    mesh = found_surface(subject, Meshing(COARSEST))
    resolution = affordable(subject.shape, len(mesh.faces), seconds, budget=budget)
    if resolution > COARSEST:
        mesh = found_surface(subject, Meshing(resolution))
    return largest(mesh, None, []), resolution


def affordable(shape: LevelSet, faces: int, seconds: float, *, budget: float) -> int:
    """Cells along a side on which a surface can be found and reduced in time, of one that has so
    many `faces` on COARSEST cells; a question to the field takes `seconds`."""
    for resolution in RESOLUTIONS:
        expected = faces * (resolution / COARSEST) ** GROWTH
        if questions(shape, resolution) * seconds + expected * FACE_SECONDS < budget:
            return resolution
    return COARSEST


def questions(shape: LevelSet, resolution: int) -> float:
    """About how many points are asked for a surface."""
    return float(resolution**3 if shape.thin else resolution**3 / 6 + COARSEST**3)


def question_seconds(shape: LevelSet) -> float:
    """How long a field takes for a point."""
    low, high = shape.side
    points = low + (high - low) * torch.rand(PROBED, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        shape.value(points[:64])
        started = time.perf_counter()
        shape.value(points)
    return (time.perf_counter() - started) / PROBED


def frame_for(facts: Facts, subject: Subject) -> Around:
    """Which way is up: as the cameras are held, or as is usual for the file."""
    if facts.cameras:
        return around(facts.cameras, subject.world_from_scene)
    up = usual_up(facts.run.path / facts.run.record["data"]["path"])
    return Around(subject.world_from_scene[:3, 3], frame_of(up))


def shown(mesh: Mesh, frame: Around, quality: dict[str, Any]) -> MeshMade:
    """The mesh as a file and as a picture."""
    turned = transform(mesh, Y_UP)
    glb = encode_glb(turned, origin=middle_of(turned))
    away = frame.axes @ (TURN / np.linalg.norm(TURN))
    up = frame.axes[:, 2]
    basis = Y_UP[:3, :3]
    return MeshMade(
        glb, still(mesh, away, up), quality, (basis @ up).tolist(), (basis @ away).tolist()
    )


def still(mesh: Mesh, away: np.ndarray, up: np.ndarray) -> UInt8[np.ndarray, "H W 3"]:
    """A picture of the mesh from the place that the page shows it from first."""
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    radius = float(np.linalg.norm(high - low)) / 2 or 1.0
    right = np.cross(up, away) / np.linalg.norm(np.cross(up, away))
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, -np.cross(away, right), -away], axis=1)
    pose[:3, 3] = (low + high) / 2 + 2.35 * radius * away
    focal = 1.2 * STILL
    camera = Camera(STILL, STILL, focal, focal, STILL / 2, STILL / 2, pose)
    white = np.full(mesh.vertices.shape, 255, np.uint8)
    drawn = shade(replace(mesh, colors=white if mesh.colors is None else mesh.colors), camera)
    return drawn.clay if mesh.colors is None else drawn.colored
