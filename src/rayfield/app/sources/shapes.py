"""A mesh as a source to learn occupancy from, and what was learned of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from rayfield.app.command.display import Display
from rayfield.app.drawing.gallery import Gallery, Shown
from rayfield.app.drawing.thumbnails import cut
from rayfield.app.meshes.export import Subject, export
from rayfield.app.meshes.level_set import LevelSet
from rayfield.app.meshes.meshing import DEFAULT, Meshing
from rayfield.app.sources.source import Origin
from rayfield.core.parts import in_parts
from rayfield.data.shape_samples import (
    Shape,
    ShapeSampler,
    ShapeTraits,
    near_surface,
    read_shape,
)
from rayfield.geometry.distance import inside_of
from rayfield.objectives.photometric import psnr
from rayfield.objectives.pointwise import iou
from rayfield.train.files import write_json
from rayfield.train.run import Run, describe_data

TESTED = 2**18  # points of each test set, Tancik et al. 2020
CUT = 128  # cells a side of the cut that previews show


class Solid:
    """A `Source`: points in the cube around a mesh, and whether they are inside."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.sampler = ShapeSampler(shape)

    @property
    def traits(self) -> ShapeTraits:
        """What a method is told of the shape."""
        return ShapeTraits()

    def lines(self) -> list[str]:
        """What was found, in a few lines."""
        mesh = self.shape.mesh
        size = f"mesh of {len(mesh.vertices):,} vertices and {len(mesh.faces):,} faces"
        return [f"{self.shape.path}: {size}", *(f"  note: {note}" for note in self.shape.notes)]

    def origin(self, out: Path) -> Origin:
        """Where the mesh came from, seen from the run folder `out`."""
        shape = self.shape
        data = describe_data(
            shape.path, out, fingerprint=shape.fingerprint, splits={"train": 1}, downscale=1
        )
        return Origin(data, shape.world_from_unit.tolist(), self.traits._asdict())

    def keep(self, run: Run) -> None:
        """A run needs nothing else."""

    def preview(
        self, run: Run, method: Any, model: nn.Module, *, cfg: Any, display: Display
    ) -> Gallery:
        """What draws the cut through the middle of the shape."""
        points = _middle_cut(self.shape)
        truth = inside_of(self.shape.mesh)(points).reshape(CUT, CUT)

        def draw() -> Shown:
            with torch.no_grad():
                found = method.field(model)(points).reshape(CUT, CUT)
            close = float(psnr(found[..., None], truth.float()[..., None]))
            return Shown(cut(found, truth), close, f"IoU {float(iou(found, truth)):.3f}")

        target = cut(truth.float(), truth)
        return Gallery(run, model, draw, target=target, display=display)


@dataclass(frozen=True)
class TrainedShape:
    """The occupancy of a shape as the newest checkpoint holds it."""

    run: Run
    method: Any
    cfg: Any
    model: nn.Module
    step: int

    def evaluate(self) -> dict[str, Any]:
        """IoU on fresh points: evenly spread, and near the surface. Writes metrics.json.

        Raises DataError if the mesh is gone.
        """
        shape = read_shape(self.run.find_data(), drop_invalid=self.run.drop_invalid)
        inside = inside_of(shape.mesh)
        generator = torch.Generator().manual_seed(2**32 - 1)  # no training step has this stream
        uniform = torch.rand(TESTED, 3, generator=generator)
        near = near_surface(shape.mesh, TESTED, generator=generator)
        found = {
            "step": self.step,
            "iou_uniform": float(iou(self.occupancy(uniform), inside(uniform))),
            "iou_near_surface": float(iou(self.occupancy(near), inside(near))),
            "protocol": f"{TESTED} points each; near the surface: off it by a Gaussian of 0.01",
        }
        write_json(self.run.metrics, found)
        return found

    @torch.no_grad()
    def occupancy(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """Occupancy in [0, 1] of points of the unit cube."""
        field = self.method.field(self.model)
        return torch.cat(in_parts(lambda part: field(points[part])[:, 0], len(points), 2**15))

    def subject(self) -> Subject:
        """The surface of occupancy 0.5 as it can be meshed."""
        shape = LevelSet(self.occupancy, 0.5, "above", "occupancy", side=(0.0, 1.0), thin=True)
        world = np.array(self.run.record["world_from_scene"], dtype=np.float64)
        return Subject(self.run, self.step, shape, world)

    def export(
        self,
        path: Path | str,
        meshing: Meshing = DEFAULT,
        *,
        force: bool = False,
        progress: Callable[[float], None] = lambda _: None,
    ) -> dict[str, Any]:
        """Write the surface of occupancy 0.5 as a mesh; see `meshes.export.export`."""
        return export(self.subject(), path, meshing, force=force, progress=progress)


def _middle_cut(shape: Shape) -> Float[Tensor, "N 3"]:
    """Points of the plane through the middle, across the shortest side of the shape."""
    sides = np.ptp(shape.mesh.vertices, axis=0)
    normal = int(sides.argmin())
    line = (torch.arange(CUT) + 0.5) / CUT
    points = torch.full((CUT, CUT, 3), 0.5)
    a, b = (axis for axis in range(3) if axis != normal)
    points[..., a], points[..., b] = line[:, None], line[None, :]
    return points.reshape(-1, 3)
