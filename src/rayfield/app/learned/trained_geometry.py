"""A mesh or points as they were fitted to points of a surface: measured and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from rayfield.app.contract import MeshMethod
from rayfield.app.meshes import export as meshes
from rayfield.app.meshes.meshing import DEFAULT, Meshing
from rayfield.app.sources.photos import check_unchanged
from rayfield.core.check import UsageError
from rayfield.core.types import PointCloud
from rayfield.data.points import HALF_SIDE, Cloud, read_points
from rayfield.geometry.mesh import transform
from rayfield.geometry.meshio import read_mesh
from rayfield.geometry.metrics import chamfer_l1_onet, chamfer_l2, compare, match
from rayfield.geometry.sampling import sample_surface
from rayfield.train.files import write_json
from rayfield.train.run import Run

TESTED = 50_000  # points of each kind
SIDE = 2 * HALF_SIDE  # of the data's box, scene units
UNIT = np.diag([1 / SIDE] * 3 + [1.0])  # makes the longest side of the data 1

Progress = Callable[[float], None]


@dataclass(frozen=True)
class TrainedGeometry:
    """Geometry as the newest checkpoint holds it, and the run it came from."""

    run: Run
    method: Any
    cfg: Any
    model: nn.Module
    step: int

    @property
    def world_from_scene(self) -> Float[np.ndarray, "4 4"]:
        """The similarity from the frame of training to that of the points."""
        return np.array(self.run.record["world_from_scene"], dtype=np.float64)

    def evaluate(
        self, *, reference: Path | None = None, progress: Progress = lambda _: None
    ) -> dict[str, Any]:
        """Chamfer distances to the data; of a mesh, also everything `metrics.compare` tells of it
        and the mesh that was given, or the mesh `reference`. Writes metrics.json.

        Raises DataError if the data is gone or has changed, UsageError for a reference that points
        cannot be compared with.
        """
        data = read_points(self.run.find_data(), drop_invalid=self.run.drop_invalid)
        check_unchanged(self.run, data.path, data.fingerprint)
        if reference is not None and not isinstance(self.method, MeshMethod):
            raise UsageError("--reference is for meshes; this run keeps points")
        found: dict[str, Any] = {"step": self.step, **self._against(data)}
        progress(0.5)
        true = data.mesh
        if reference is not None:
            true = transform(read_mesh(reference), np.linalg.inv(self.world_from_scene))
        if true is not None and isinstance(self.method, MeshMethod):
            ours = transform(self.method.mesh(self.model), UNIT)
            generator = torch.Generator().manual_seed(0)
            measured = compare(ours, transform(true, UNIT), TESTED, generator=generator)
            found |= {name: measured[name] for name in ("iou", "p2s_accuracy", "p2s_completeness")}
        found["protocol"] = (
            f"lengths in parts of the longest side of the data; {TESTED:,} points of each, or all"
        )
        write_json(self.run.metrics, found)
        return found

    def export(
        self,
        path: Path | str,
        meshing: Meshing = DEFAULT,
        *,
        force: bool = False,
        progress: Progress = lambda _: None,
    ) -> dict[str, Any]:
        """Write the mesh or the points; see `meshes.export.export`."""
        if isinstance(self.method, MeshMethod):
            return meshes.export(self.subject(), path, meshing, force=force, progress=progress)
        cloud, colors = self.method.cloud(self.model)
        matrix = self.world_from_scene
        return meshes.write_cloud(
            Path(path), cloud, colors.numpy(), meshing=meshing, matrix=matrix, force=force
        )

    def subject(self) -> meshes.Subject:
        """The mesh as it can be exported. Raises UsageError for a run that keeps points."""
        if not isinstance(self.method, MeshMethod):
            raise UsageError(f"{self.run.path}: keeps points, which are no surface")
        mesh = replace(self.method.mesh(self.model), colors=None)  # nothing was learned of them
        return meshes.Subject(self.run, self.step, mesh, self.world_from_scene)

    def _against(self, data: Cloud) -> dict[str, float]:
        """Chamfer distances between random points of the mesh, or all points, and the data."""
        if isinstance(self.method, MeshMethod):
            mesh = self.method.mesh(self.model)
            generator = torch.Generator().manual_seed(0)
            ours = sample_surface(mesh, TESTED, generator=generator).points
        else:
            ours = self.method.cloud(self.model)[0].points
        matches = match(PointCloud(ours / SIDE), PointCloud(data.points / SIDE))
        return {
            "chamfer_l1_onet": chamfer_l1_onet(matches),
            "chamfer_l2": chamfer_l2(matches),
            "p2s_surface_to_data": float(matches.accuracy.mean()),
            "p2s_data_to_surface": float(matches.completeness.mean()),
        }
