"""A solid as the network that was computed from it: verified, meshed, filmed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rayfield.app.learned.rendering import Shot
from rayfield.app.learned.trained_surface import TrainedSurface
from rayfield.app.meshes.export import Subject
from rayfield.app.meshes.meshing import DEFAULT, Meshing
from rayfield.app.sources.photos import check_unchanged
from rayfield.data.points import HALF_SIDE
from rayfield.data.solid import read_solid
from rayfield.geometry.exactness import exactness
from rayfield.train.files import write_json
from rayfield.train.run import Run

TESTED = 2**19  # points on the surface, and as many off it


@dataclass(frozen=True)
class TrainedSolid:
    """The network of a run; everything but its verification is that of any surface."""

    surface: TrainedSurface

    @property
    def run(self) -> Run:
        """The run it came from."""
        return self.surface.run

    @property
    def step(self) -> int:
        """1: it is computed in one step."""
        return self.surface.step

    def evaluate(
        self, *, points: int = TESTED, progress: Callable[[float], None] = lambda _: None
    ) -> dict[str, Any]:
        """How exact the zero set is, at `points` on the mesh and as many off it, and the size of
        the network. Writes metrics.json. Raises DataError if the mesh is gone or has changed.
        """
        surface, cfg = self.surface, self.surface.cfg
        solid = read_solid(self.run.find_data(), cfg.faces, drop_invalid=self.run.drop_invalid)
        check_unchanged(self.run, solid.path, solid.fingerprint)
        measured = exactness(
            surface.method.surface(surface.model),
            solid.mesh,
            points,
            generator=torch.Generator().manual_seed(2**32 - 1),
            report=progress,
        )._asdict()
        measured["surface_error"] /= 2 * HALF_SIDE
        found = {
            "step": self.step,
            **measured,
            "layers": len(cfg.units) - 1,
            "widest": max(cfg.units),
            "units": sum(cfg.units[1:-1]),
            "weights": sum(cfg.weights),
            "faces": len(solid.mesh.faces),
            "protocol": "surface_error: largest |f| on the mesh, in parts of its longest side; "
            "sign_errors: against an even-odd count of faces; double precision",
        }
        write_json(self.run.metrics, found)
        return found

    def subject(self) -> Subject:
        """The zero set as it can be meshed."""
        return self.surface.subject()

    def export(
        self,
        path: Path | str,
        meshing: Meshing = DEFAULT,
        *,
        force: bool = False,
        progress: Callable[[float], None] = lambda _: None,
    ) -> dict[str, Any]:
        """Write the zero set as a mesh; see `meshes.export.export`."""
        return self.surface.export(path, meshing, force=force, progress=progress)

    def render(
        self, shot: Shot, *, out: Path | None = None, progress: Callable[[float], None]
    ) -> dict[str, Any]:
        """Film the zero set; see `TrainedSurface.render`."""
        return self.surface.render(shot, out=out, progress=progress)
