"""One solid shape, or a class of them, as it was learned: measured, meshed, reconstructed anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from rayfield.app.catalogue import suggestion
from rayfield.app.drawing import shape_figures
from rayfield.app.drawing.surfaces import gradient_normals, in_chunks, surface_mesh
from rayfield.app.learned import shape_scores
from rayfield.app.learned.observation import read_observation
from rayfield.app.meshes import export as meshes
from rayfield.app.meshes.level_set import LevelSet
from rayfield.app.meshes.meshing import Meshing
from rayfield.app.meshes.skin import Skin
from rayfield.app.sources.photos import check_unchanged
from rayfield.core.check import RayfieldError, UsageError
from rayfield.core.types import Mesh
from rayfield.data.pointfiles import usual_up
from rayfield.data.shape_batches import Wanted, observe
from rayfield.data.shape_class import Shapes, load_shapes
from rayfield.data.solids import PointFn, Solid
from rayfield.geometry.meshio import write_mesh
from rayfield.train.files import write_json
from rayfield.train.run import Run

TOGETHER = 8  # shapes whose codes are sought at a time
STRIP = 6  # shapes of an interpolation
SLOPE = 2.5e-3  # of the frame, for normals

Progress = Callable[[float], None]


@dataclass(frozen=True)
class TrainedShapes:
    """Solid shapes as the newest checkpoint holds them."""

    run: Run
    method: Any
    cfg: Any
    model: nn.Module
    step: int

    @property
    def single(self) -> bool:
        """Whether it is the function of one shape."""
        return self.cfg.learned <= 1

    @property
    def wanted(self) -> Wanted:
        """What was learned from."""
        return self.cfg.wanted(self.cfg.learned)

    def shapes(self) -> Shapes:
        """The data, read anew. Raises DataError if it is gone or has changed."""
        shapes = load_shapes(self.run.find_data(), drop_invalid=self.run.drop_invalid)
        check_unchanged(self.run, shapes.root, shapes.fingerprint)
        return shapes

    def value(self, code: Float[Tensor, " C"] | None = None) -> PointFn:
        """The function of points of the frame, negative inside, of a code or the only shape."""
        return in_chunks(self.method.surface(self.model, code))

    def codes(self, seen: Tensor) -> Float[Tensor, "B C"]:
        """The codes of observations, as many as there are."""
        generator = torch.Generator().manual_seed(0)
        parts = [
            self.method.infer(self.model, part, self.cfg, generator=generator)
            for part in seen.split(TOGETHER)
        ]
        return torch.cat(parts)

    def observed(self, solid: Solid, *, seed: int = 0) -> Tensor:
        """What a method sees of a shape that it was not trained on."""
        generator = torch.Generator().manual_seed(seed)
        kind, resolution = self.cfg.observes, self.wanted.resolution
        return observe(solid, kind, resolution=resolution, generator=generator)

    def evaluate(self, *, progress: Progress = lambda _: None) -> dict[str, Any]:
        """IoU on fresh points: of a single shape in the cube of side 1.1 and near the surface; of
        a class that of each shape held out, their mean and the worst.

        Writes metrics.json and figures/evaluation.png. Raises DataError if the data is gone.
        """
        shapes, file = self.shapes(), self.run.figures / "evaluation.png"
        if self.single:
            solid = shapes.solids[0]
            found = shape_scores.of_single(self.value(), solid, figure=file, up=shapes.up)
        else:
            solids = [shapes.solids[index] for index in shapes.test]
            seen = torch.stack([self.observed(s, seed=i) for i, s in enumerate(solids)])
            values = [self.value(code) for code in self.codes(seen)]
            names = [shapes.names[index] for index in shapes.test]
            subjects = [*map(shape_scores.Subject, names, solids, seen, values)]
            found = shape_scores.of_class(
                subjects, self.cfg.observes, figure=file, up=shapes.up, progress=progress
            )
        found = {"split": "train" if self.single else "test", "step": self.step, **found}
        write_json(self.run.metrics, found)
        return found

    def export(
        self,
        path: Path | str,
        meshing: Meshing,
        *,
        scene: str | None = None,
        observation: Path | None = None,
        force: bool = False,
        progress: Progress = lambda _: None,
    ) -> dict[str, Any]:
        """Write a surface as a mesh: of the only shape, or of a class the held-out shape named
        `scene` (default: the first), or that of the `observation` in a file.

        Raises UsageError for arguments that name no shape, RayfieldError if there is no surface.
        """
        subject = self.subject(scene=scene, observation=observation, own=meshing.frame == "scene")
        return meshes.export(subject, path, meshing, force=force, progress=progress)

    def subject(
        self, *, scene: str | None = None, observation: Path | None = None, own: bool = False
    ) -> meshes.Subject:
        """A surface as it can be meshed: which one, as in `export`; `own`: in no world's frame."""
        code, world = self._asked(scene, observation, own=own)
        value = self.value(code)
        shape = LevelSet(value, 0.0, "below", "value inside and outside")
        skin = Skin(lambda mesh: gradient_normals(value, mesh, step=SLOPE))
        return meshes.Subject(self.run, self.step, shape, world, skin)

    def mesh(
        self,
        code: Float[Tensor, " C"] | None,
        resolution: int,
        *,
        progress: Progress = lambda _: None,
        notes: list[str] | None = None,
    ) -> Mesh:
        """The surface of a code or of the only shape, in the frame. Raises RayfieldError."""
        return surface_mesh(self.value(code), resolution, progress=progress, notes=notes)

    def render(self, *, scene: str | None = None, out: Path | None = None) -> dict[str, Any]:
        """A picture of the only shape; of a class, shapes whose codes lie evenly between those of
        two held-out ones (the first two, or `scene` as NAME or NAME,NAME), and their meshes.

        Raises UsageError for names that there are not.
        """
        folder = out or self.run.renders
        if self.single:
            if scene is not None:
                raise UsageError("--scene is for runs that learned several shapes")
            codes: list[Tensor | None] = [None]
            names, up = ("shape", "shape"), usual_up(Path(self.run.record["data"]["path"]))
        else:
            shapes = self.shapes()
            names, up = _pair(shapes, scene), shapes.up
            solids = [shapes.solids[shapes.names.index(name)] for name in names]
            first, last = self.codes(torch.stack([self.observed(solid) for solid in solids]))
            codes = [torch.lerp(first, last, t) for t in torch.linspace(0, 1, STRIP).tolist()]
        file = folder / "-".join(("interpolation", *names) if codes[0] is not None else ("shape",))
        file = file.with_name(file.name + ".png")
        values = [self.value(code) for code in codes]
        shape_figures.interpolation(file, values, names=names, up=up)
        written = self._meshes(codes) if codes[0] is not None else list[str]()
        return {"file": file.as_posix(), "meshes": written, "step": self.step}

    def _meshes(self, codes: list[Tensor | None]) -> list[str]:
        written: list[str] = []
        for index, code in enumerate(codes):
            path = self.run.meshes / f"interpolation-{index}.ply"
            try:
                write_mesh(path, self.mesh(code, 64), force=True)
                written.append(path.as_posix())
            except RayfieldError:  # between two shapes there may be none
                continue
        return written

    def _asked(
        self, scene: str | None, observation: Path | None, *, own: bool
    ) -> tuple[Tensor | None, Float[np.ndarray, "4 4"]]:
        """The code asked for, and the way to its world."""
        if self.single:
            if scene is not None or observation is not None:
                raise UsageError("the run learned a single shape: leave out --scene, --observation")
            return None, np.array(self.run.record["world_from_scene"], dtype=np.float64)
        if observation is not None:
            if scene is not None:
                raise UsageError("give --scene or --observation, not both")
            seen, world = read_observation(
                observation, self.cfg.observes, resolution=self.wanted.resolution, own=own
            )
            return self.codes(seen[None])[0], world
        shapes = self.shapes()
        name = shapes.names[shapes.test[0]] if scene is None else _known(shapes, scene)
        index = shapes.names.index(name)
        seen = self.observed(shapes.solids[index])
        return self.codes(seen[None])[0], shapes.worlds[index]


def _known(shapes: Shapes, name: str) -> str:
    if name not in shapes.names:
        near = suggestion(name, list(shapes.names))
        raise UsageError(f"{shapes.root}: there is no shape {name!r}{near}")
    return name


def _pair(shapes: Shapes, scene: str | None) -> tuple[str, str]:
    """The two shapes to go between."""
    held_out = [shapes.names[index] for index in shapes.test]
    first = held_out[0]
    second = held_out[1] if len(held_out) > 1 else shapes.names[0]
    names = [name.strip() for name in scene.split(",")] if scene else [first, second]
    if len(names) == 1:
        names.append(second if names[0] == first else first)
    if len(names) != 2:
        raise UsageError(f"--scene {scene!r}: give one name or two, separated by a comma")
    return _known(shapes, names[0]), _known(shapes, names[1])
