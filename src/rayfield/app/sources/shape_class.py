"""Solid shapes as a source to learn from: one, or a class of them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rayfield.app.command.display import Display
from rayfield.app.drawing.gallery import Gallery, Shown, Words
from rayfield.app.sources.source import Origin
from rayfield.core.drawing import bytes_of
from rayfield.data.shape_batches import ShapesSampler, observe, uniform_points
from rayfield.data.shape_class import Shapes, ShapesTraits, load_shapes
from rayfield.data.shape_views import picture, stood, values_on_grid
from rayfield.objectives.pointwise import iou
from rayfield.train.run import Run, describe_data

SIDE, DETAIL = 160, 40  # of previews: pixels, cells a side
TESTED = 2**13


class ShapeSource:
    """A `Source`: points of shapes. `cfg` says which (see `Config.wanted` of a method)."""

    def __init__(self, shapes: Shapes, *, cfg: Any) -> None:
        self.shapes = shapes
        self.wanted = cfg.wanted(len(shapes.train))

    @cached_property
    def sampler(self) -> ShapesSampler:
        """The training points; draws them when first asked for."""
        return ShapesSampler(self.shapes, self.wanted)

    @property
    def traits(self) -> ShapesTraits:
        """What a method is told of the shapes."""
        return self.shapes.traits

    def lines(self) -> list[str]:
        """What was found, in a few lines."""
        return describe_shapes(self.shapes)

    def origin(self, out: Path) -> Origin:
        """Where the shapes came from, seen from the run folder `out`."""
        shapes = self.shapes
        counts = {"train": len(shapes.train), "test": len(shapes.test)}
        data = describe_data(
            shapes.root, out, fingerprint=shapes.fingerprint, splits=counts, downscale=1
        )
        held_out = [shapes.names[index] for index in shapes.test]
        traits = {"shapes": len(shapes.train), "held_out": held_out}
        return Origin(data, shapes.worlds[0].tolist(), traits)

    def keep(self, run: Run) -> None:
        """A run needs nothing else."""

    def preview(
        self, run: Run, method: Any, model: nn.Module, *, cfg: Any, display: Display
    ) -> Gallery:
        """What draws the first shape learned from."""
        solid, up = self.shapes.solids[self.shapes.train[0]], self.shapes.up
        generator = torch.Generator().manual_seed(0)
        seen = observe(
            solid,
            self.wanted.observation,
            resolution=self.wanted.resolution,
            generator=generator,
        )
        points = uniform_points(TESTED, generator=generator)
        inside = solid.inside(points)

        @torch.no_grad()
        def draw() -> Shown:
            number = torch.zeros(1, dtype=torch.long)
            value = method.surface(model, method.known(model, number, seen[None])[0])
            close = float(iou(torch.sigmoid(-value(points)), inside))
            shown = picture(stood(values_on_grid(value, DETAIL), up), size=SIDE)
            return Shown(bytes_of(_rgb(shown)), remark=f"IoU {close:.3f}")

        target = picture(stood(values_on_grid(solid.distance, DETAIL), up), size=SIDE)
        words = Words("shape", "a shape learned from", self.shapes.names[self.shapes.train[0]])
        return Gallery(
            run, model, draw, target=bytes_of(_rgb(target)), display=display, words=words
        )


def open_shapes(path: Path, *, cfg: Any, downscale: int, drop_invalid: bool = False) -> ShapeSource:
    """A mesh, a folder of meshes, or voxel grids. Raises DataError."""
    return ShapeSource(load_shapes(path, drop_invalid=drop_invalid), cfg=cfg)


def describe_shapes(shapes: Shapes) -> list[str]:
    """What was found, in a few lines."""
    if len(shapes.names) == 1:
        mesh = shapes.solids[0].mesh
        size = f"a shape of {len(mesh.vertices):,} vertices and {len(mesh.faces):,} faces"
    else:
        rule = "every 8th" if len(shapes.names) >= 8 else "the last"
        size = f"{len(shapes.train)} shapes to learn from, {len(shapes.test)} held out ({rule})"
    return [f"{shapes.root}: {size}", *(f"  note: {note}" for note in shapes.notes)]


def _rgb(grey: torch.Tensor) -> Any:
    return grey[..., None].expand(-1, -1, 3).numpy()
