"""Meshes of what was learned from photos, and how good they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch

from rayfield.core.check import RayfieldError
from rayfield.core.types import Camera, Mesh
from rayfield.data.photo import view_image
from rayfield.data.scene import Frame
from rayfield.geometry import mesh as meshes
from rayfield.geometry.hidden import seen_points, span_hidden
from rayfield.geometry.marching import Search, extract
from rayfield.geometry.metrics import compare, point_to_surface
from rayfield.geometry.sampling import sample_surface
from rayfield.objectives.pointwise import iou
from rayfield.render.shading import scaled, visible
from rayfield.studies.views import PointFn, mean

CRUMB = 0.02  # of the area of the largest piece: smaller ones are left out, as `export` does
COARSE = 128  # cells a side up to which a field is asked everywhere
SOLID, OVERSAMPLING = 0.5, 3  # alpha of a silhouette; samples of a pixel along a side
COVERED = 0.67  # part of them from which a pixel is: `visible` draws half a sample too wide
SPREAD = 1.5  # of random points: how much farther than even ones they may be from each other
SHOWN = "chamfer_shown"


def level_set(
    value: PointFn, level: float, *, inside: Literal["above", "below"], resolution: int
) -> Mesh | None:
    """The mesh of a level in the scene's cube, from `resolution` cells a side; None where there is
    none."""
    try:
        return extract(
            _in_chunks(value), level=level, box_min=(-1.0, -1.0, -1.0), box_max=(1.0, 1.0, 1.0),
            resolution=resolution, inside=inside, search=Search(coarse=min(resolution, COARSE)),
        )  # fmt: skip
    except RayfieldError:
        return None


def finished(mesh: Mesh, photos: list[Camera]) -> Mesh:
    """A mesh as `export` leaves it: without crumbs, and what no photo shows spanning its rim."""
    return span_hidden(meshes.keep_largest(mesh, fraction=CRUMB), photos)


def _in_chunks(value: PointFn) -> PointFn:
    @torch.no_grad()
    def chunked(points: torch.Tensor) -> torch.Tensor:
        return torch.cat([value(some) for some in points.split(1 << 16)])

    return chunked


class Judge:
    """How good a mesh is: silhouettes in the photos held out, and distance from the true mesh if
    that is known, in parts of the diagonal of its box.

    `chamfer_shown` is Chamfer-L1 as on DTU (Jensen et al. 2014), where what was not observed does
    not count and points are as good as continuous: half the sum of the mean distances from the
    mesh's points to the true faces, and to the mesh's faces from those true points that `photos`
    show.
    """

    def __init__(
        self, true: Mesh | None, frames: Sequence[Frame], samples: int, *, photos: list[Camera]
    ) -> None:
        self.samples = samples
        self.outlines = [
            (scaled(frame.camera, OVERSAMPLING), view_image(frame)[..., 3] > SOLID)
            for frame in frames
        ]
        self.unit = np.eye(4)
        if true is not None:
            size = np.linalg.norm(np.ptp(true.vertices, axis=0))
            self.unit[:3] /= size
            points = sample_surface(true, samples, generator=torch.Generator().manual_seed(1))
            spacing = SPREAD * np.sqrt(meshes.area(true) / samples)
            self.shown = points.points[seen_points(points, photos, spacing)] / size
            true = meshes.transform(true, self.unit)
        self.true = true

    def __call__(self, mesh: Mesh) -> dict[str, Any]:
        """The numbers of a mesh."""
        found: dict[str, Any] = {
            "euler_number": meshes.euler_number(mesh),
            "volume": meshes.volume(mesh),
            "silhouette_iou": mean([self._outline(mesh, *pair) for pair in self.outlines]),
        }
        if self.true is None:
            return found
        generator = torch.Generator().manual_seed(0)
        moved = meshes.transform(mesh, self.unit)
        found |= compare(moved, self.true, self.samples, generator=generator)
        return found | {SHOWN: (found["p2s_accuracy"] + point_to_surface(self.shown, moved)) / 2}

    def _outline(self, mesh: Mesh, camera: Camera, solid: torch.Tensor) -> float:
        n = OVERSAMPLING
        hit = torch.from_numpy(visible(mesh, camera)[0] >= 0).float()
        covered = hit.view(camera.height // n, n, camera.width // n, n).mean((1, 3))
        return float(iou((covered > COVERED).float(), solid))
