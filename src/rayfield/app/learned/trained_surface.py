"""An implicit surface as it was learned from points: measured, meshed, filmed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from rayfield.app.drawing.surfaces import (
    clay,
    frame_of,
    gradient_normals,
    in_chunks,
    orbit,
    stood,
    surface_mesh,
)
from rayfield.app.drawing.video import Video
from rayfield.app.learned import cameras as cams
from rayfield.app.learned.rendering import MAX_FRAMES, Shot
from rayfield.app.meshes import export as meshes
from rayfield.app.meshes.level_set import LevelSet
from rayfield.app.meshes.meshing import DEFAULT, Meshing
from rayfield.app.meshes.skin import Skin
from rayfield.app.sources.photos import check_unchanged
from rayfield.core.check import UsageError
from rayfield.core.types import Mesh
from rayfield.data.pointfiles import usual_up
from rayfield.data.points import HALF_SIDE, Cloud, distance_to, read_points
from rayfield.geometry.distance import MeshDistance
from rayfield.geometry.mesh import face_normals, report, transform
from rayfield.geometry.meshio import read_mesh
from rayfield.geometry.metrics import compare
from rayfield.geometry.sampling import sample_surface
from rayfield.math.calculus import central_gradient
from rayfield.train.files import write_json
from rayfield.train.run import Run

RESOLUTION = 128  # cells a side of the mesh that is measured
TESTED = 50_000  # points of each kind
STEP = 1e-3  # scene units, for gradients
SLOPE = 2.5e-3  # scene units, for normals
SIZE = (640, 640)

Progress = Callable[[float], None]


@dataclass(frozen=True)
class TrainedSurface:
    """A signed function of space as the newest checkpoint holds it; negative inside."""

    run: Run
    method: Any
    cfg: Any
    model: nn.Module
    step: int

    @property
    def world_from_scene(self) -> Float[np.ndarray, "4 4"]:
        """The similarity from the frame of training to that of the points."""
        return np.array(self.run.record["world_from_scene"], dtype=np.float64)

    def value(self, points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, " N"]:
        """The signed value at points in the frame of the data, in its units."""
        inverse = np.linalg.inv(self.world_from_scene)
        inside = (points - self.world_from_scene[:3, 3]) @ inverse[:3, :3].T
        found = in_chunks(self._scene_value)(torch.from_numpy(inside).float())
        return found.numpy() * cams.scale_of(self.world_from_scene)

    def mesh(self, resolution: int = 192, *, progress: Progress = lambda _: None) -> Mesh:
        """The surface as a closed mesh in the frame of the data, with normals of the gradient."""
        mesh = surface_mesh(self._scene_value, resolution, progress=progress)
        return transform(mesh, self.world_from_scene)

    def export(
        self,
        path: Path | str,
        meshing: Meshing = DEFAULT,
        *,
        force: bool = False,
        progress: Progress = lambda _: None,
    ) -> dict[str, Any]:
        """Write the surface as a mesh, with normals of the gradient; see `meshes.export.export`."""
        return meshes.export(self.subject(), path, meshing, force=force, progress=progress)

    def subject(self) -> meshes.Subject:
        """The surface as it can be meshed."""
        unit = cams.scale_of(self.world_from_scene)
        shape = LevelSet(self._scene_value, 0.0, "below", "signed distance", unit)
        skin = Skin(lambda mesh: gradient_normals(in_chunks(self._scene_value), mesh, step=SLOPE))
        return meshes.Subject(self.run, self.step, shape, self.world_from_scene, skin)

    def evaluate(
        self, *, reference: Path | None = None, progress: Progress = lambda _: None
    ) -> dict[str, Any]:
        """How close the surface is to the data, or to the mesh in the file `reference`.

        Lengths are in parts of the longest side of the data. Writes metrics.json. Raises DataError
        if the data is gone or has changed, RayfieldError if there is no surface.
        """
        cloud = read_points(self.run.find_data(), drop_invalid=self.run.drop_invalid)
        check_unchanged(self.run, cloud.path, cloud.fingerprint)
        mesh = surface_mesh(self._scene_value, RESOLUTION, progress=progress)
        found: dict[str, Any] = {"step": self.step, **self._against_data(cloud, mesh)}
        if reference is not None:
            true = transform(read_mesh(reference), np.linalg.inv(self.world_from_scene))
            unit = np.diag([0.5 / HALF_SIDE] * 3 + [1.0])
            generator = torch.Generator().manual_seed(0)
            sizes = (transform(mesh, unit), transform(true, unit))
            measured = compare(*sizes, TESTED, generator=generator)
            found["reference"] = {"file": reference.as_posix(), **measured}
        found["mesh"] = report(transform(mesh, self.world_from_scene))
        found["protocol"] = (
            f"mesh of {RESOLUTION} cells a side; lengths in parts of the longest side of the data; "
            f"{TESTED:,} points of the mesh, all of the data"
        )
        write_json(self.run.metrics, found)
        return found

    def render(
        self, shot: Shot, *, out: Path | None = None, progress: Progress = lambda _: None
    ) -> dict[str, Any]:
        """Film the surface as clay, turning about the axis `shot.up` of the data (None: the usual
        one of such files), into the folder `out` (RUN/renders/turntable) or the file out.mp4; one
        picture is kept beside it.

        Raises UsageError for what cannot be filmed.
        """
        if shot.path != "turntable" or shot.depth or shot.normals:
            raise UsageError("a surface is filmed on the turntable, without depth and normals")
        if not 1 <= shot.frames <= MAX_FRAMES:
            raise UsageError(f"{shot.frames} frames make no video; give 1 to {MAX_FRAMES}")
        folder = out or self.run.renders / shot.path
        video = folder if folder.suffix == ".mp4" else folder / f"{shot.path}.mp4"
        up = shot.up or usual_up(Path(self.run.record["data"]["path"]))
        frame = frame_of(up)
        mesh = stood(surface_mesh(self._scene_value, RESOLUTION), frame)
        camera = cams.resized(orbit(0.0, SIZE), *(shot.size or SIZE))
        with Video(video, fps=shot.fps) as film:
            for index in range(shot.frames):
                pose = orbit(2 * np.pi * index / shot.frames - np.radians(60), SIZE).pose
                picture = clay(mesh, replace(camera, pose=pose))
                film.add(picture)
                if index == 0:
                    Image.fromarray(picture).save(video.with_suffix(".png"))
                progress((index + 1) / shot.frames)
        size = {"width": camera.width, "height": camera.height, "frames": shot.frames}
        return {"video": video.as_posix(), "step": self.step, "up": up, **size}

    def _scene_value(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        return self.method.surface(self.model)(points)

    def _against_data(self, cloud: Cloud, mesh: Mesh) -> dict[str, float]:
        """Distances from the data to the surface and back, and what the function itself is like."""
        unit = 2 * HALF_SIDE
        value = in_chunks(self._scene_value)
        points = torch.from_numpy(cloud.points).float()
        closest = MeshDistance(mesh).closest(cloud.points)
        generator = torch.Generator().manual_seed(0)
        ours = sample_surface(mesh, TESTED, generator=generator).points
        if cloud.mesh is None:
            back = distance_to(cloud)(torch.from_numpy(ours)).numpy()
        else:
            back = MeshDistance(cloud.mesh).unsigned(ours)
        everywhere = 2 * torch.rand(TESTED, 3, generator=generator) - 1
        slopes = central_gradient(value, everywhere, STEP).norm(dim=1)
        found = {
            "value_at_data": float(value(points).abs().mean()) / unit,
            "p2s_data_to_surface": float(closest.distance.mean()) / unit,
            "p2s_surface_to_data": float(back.mean()) / unit,
            "eikonal_deviation": float((slopes - 1).abs().mean()),
        }
        if cloud.normals is not None:
            faces = face_normals(mesh)[closest.face]
            faces /= np.maximum(np.linalg.norm(faces, axis=1, keepdims=True), 1e-300)
            cosines = (faces * cloud.normals).sum(axis=1)
            found["normal_consistency"] = float(np.abs(cosines).mean())
            found["outward"] = float((cosines > 0).mean())
        return found
