"""What explicit geometry is fitted to: photos of a cut-out subject, or points of a surface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch import nn

from rayfield.app.command.display import Display
from rayfield.app.contract import MeshMethod, PointMethod
from rayfield.app.drawing import slices
from rayfield.app.drawing.gallery import Gallery, Shown, Words
from rayfield.app.drawing.surfaces import clay, frame_of, orbit, stood
from rayfield.app.sources.clouds import Points
from rayfield.app.sources.photos import Photos
from rayfield.app.sources.source import Origin, Source
from rayfield.core.check import UsageError
from rayfield.core.types import ExifUse, MaskUse, Mesh
from rayfield.data.detect import names_cameras
from rayfield.data.load import load_scene
from rayfield.data.pointfiles import usual_up
from rayfield.data.points import CloudTraits, PointSampler, read_points
from rayfield.geometry.mesh import vertex_normals
from rayfield.train.run import Run


class PointTarget:
    """A `Source`: a cloud of points, or points of a mesh, for geometry of any kind."""

    def __init__(self, points: Points) -> None:
        self.points = points

    @property
    def traits(self) -> CloudTraits:
        """What a method is told of the points."""
        return self.points.traits

    @property
    def sampler(self) -> PointSampler:
        """Random points."""
        return self.points.sampler

    def lines(self) -> list[str]:
        """What was found, in a few lines."""
        return self.points.lines()

    def origin(self, out: Path) -> Origin:
        """Where the points came from, seen from the run folder `out`."""
        return self.points.origin(out)

    def keep(self, run: Run) -> None:
        """A run needs nothing else."""

    def preview(
        self, run: Run, method: Any, model: nn.Module, *, cfg: Any, display: Display
    ) -> Gallery:
        """What draws the mesh or the points as they are, or else a slice and the surface."""
        if not isinstance(method, MeshMethod | PointMethod):
            return self.points.preview(run, method, model, cfg=cfg, display=display)

        frame = frame_of(usual_up(self.points.cloud.path))

        def draw() -> Shown:
            if isinstance(method, MeshMethod):
                return Shown(mesh_picture(stood(method.mesh(model), frame)), remark="mesh")
            return Shown(slices.scatter(method.cloud(model)[0].points @ frame), remark="points")

        target = slices.scatter(self.points.cloud.points @ frame)
        words = Words("points", "all of it")
        return Gallery(run, model, draw, target=target, display=display, words=words)


def open_target(
    path: Path,
    *,
    cfg: Any,
    downscale: int,
    drop_invalid: bool = False,
    masks: MaskUse | None = None,
    exif: ExifUse | None = None,
) -> Source:
    """The posed photos in a folder, `cfg.views` of them in a batch; the points or mesh of a file.

    A file of cameras stands for the photos beside it.

    Raises DataError.
    """
    if path.is_file() and not names_cameras(path):
        if masks is not None:
            raise UsageError("--masks is for photos; leave it out")
        if exif is not None:
            raise UsageError("--exif is for photos; leave it out")
        return PointTarget(Points(read_points(path, drop_invalid=drop_invalid)))
    scene = load_scene(path, downscale=downscale, masks=masks, exif=exif or "ignore")
    return Photos(scene, views=cfg.views)


def mesh_picture(mesh: Mesh) -> UInt8[np.ndarray, "S S 3"]:
    """A mesh as clay, as previews show it."""
    whole = Mesh(mesh.vertices, mesh.faces, vertex_normals(mesh))
    return clay(whole, orbit(slices.AZIMUTH, (slices.SIDE, slices.SIDE)))
