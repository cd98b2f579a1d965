"""Points of a surface as a source to learn it from."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from rayfield.app.command.display import Display
from rayfield.app.contract import PointFn
from rayfield.app.drawing import slices
from rayfield.app.drawing.gallery import Gallery, Shown, Words
from rayfield.app.drawing.surfaces import clay, frame_of, orbit, surface_mesh
from rayfield.app.sources.source import Origin
from rayfield.core.check import RayfieldError
from rayfield.data.pointfiles import usual_up
from rayfield.data.points import Cloud, CloudTraits, PointSampler, read_points
from rayfield.train.run import Run, describe_data

PREVIEWED = 56  # cells a side of the mesh that previews show


class Points:
    """A `Source`: a cloud of points, or points of a mesh."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    @property
    def traits(self) -> CloudTraits:
        """What a method is told of the points."""
        return self.cloud.traits

    @cached_property
    def sampler(self) -> PointSampler:
        """Random points; made when first asked for, as it looks for all neighbours."""
        return PointSampler(self.cloud)

    def lines(self) -> list[str]:
        """What was found, in a few lines."""
        return describe_cloud(self.cloud)

    def origin(self, out: Path) -> Origin:
        """Where the points came from, seen from the run folder `out`."""
        cloud = self.cloud
        data = describe_data(
            cloud.path,
            out,
            fingerprint=cloud.fingerprint,
            splits={"train": len(cloud.points)},
            downscale=1,
        )
        return Origin(data, cloud.world_from_scene.tolist(), self.traits._asdict())

    def keep(self, run: Run) -> None:
        """A run needs nothing else."""

    def preview(
        self, run: Run, method: Any, model: nn.Module, *, cfg: Any, display: Display
    ) -> Gallery:
        """What draws a slice of the signed value, and the surface beside it."""
        frame = frame_of(usual_up(self.cloud.path))
        points = self.cloud.points @ frame
        turn = torch.from_numpy(frame.T).float()

        def draw() -> Shown:
            surface = method.surface(model)

            def value(places: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
                return surface(places @ turn)

            picture, remark = _mesh_picture(value)
            return Shown(np.hstack([slices.slice_picture(value, points), picture]), remark=remark)

        target = np.hstack([slices.points_picture(points), slices.scatter(points)])
        words = Words("points", "all of it")
        return Gallery(run, model, draw, target=target, display=display, words=words)


def open_points(path: Path, *, cfg: Any, downscale: int, drop_invalid: bool = False) -> Points:
    """A cloud of points, or points of a mesh. Raises DataError."""
    return Points(read_points(path, drop_invalid=drop_invalid))


def describe_cloud(cloud: Cloud) -> list[str]:
    """What was found in a file of points, in a few lines."""
    normals = "without normals" if cloud.normals is None else "with normals"
    what = f"{len(cloud.points):,} points {normals}"
    if cloud.mesh is not None:
        size = f"{len(cloud.mesh.vertices):,} vertices and {len(cloud.mesh.faces):,} faces"
        what = f"mesh of {size}; {what} are taken of it"
    sides = np.ptp(cloud.points, axis=0) * cloud.world_from_scene[0, 0]
    extent = " x ".join(f"{side:.3g}" for side in sides)
    notes = [f"  note: {note}" for note in cloud.notes]
    return [f"{cloud.path}: {what}; {extent} units", *notes]


def _mesh_picture(value: PointFn) -> tuple[UInt8[np.ndarray, "S S 3"], str]:
    side = slices.SIDE
    try:
        mesh = surface_mesh(value, PREVIEWED)
    except RayfieldError:  # not yet, or no longer
        return np.full((side, side, 3), 255, np.uint8), "no surface"
    return clay(mesh, orbit(slices.AZIMUTH, (side, side))), "surface"
