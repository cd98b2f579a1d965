"""One picture, signal or shape as a source to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from rayfield.app.command.display import Display
from rayfield.app.drawing.gallery import Gallery, Shown
from rayfield.app.drawing.thumbnails import limited, resized, thumbnail
from rayfield.app.sources.shapes import Solid
from rayfield.app.sources.source import Origin
from rayfield.data.picture import Picture, PictureSampler, PictureTraits, read_picture
from rayfield.data.shape_samples import read_shape
from rayfield.geometry.meshio import SUFFIXES as MESHES
from rayfield.objectives.photometric import psnr
from rayfield.train.run import Run, describe_data

MOST_PREVIEWED = 2**19  # pixels; larger pictures are looked at in a smaller size


class Pixels:
    """A `Source`: the samples of one picture or signal."""

    def __init__(
        self, picture: Picture, sampler: PictureSampler, *, free_size: bool = False
    ) -> None:
        self.picture = picture
        self.sampler = sampler
        self._free_size = free_size  # whether the method can draw the picture in any size

    @property
    def traits(self) -> PictureTraits:
        """What a method is told of the picture."""
        return self.picture.traits

    def lines(self) -> list[str]:
        """What was found, in a few lines."""
        traits = self.traits
        colours = {1: "grey", 3: "colour"}.get(traits.channels, f"{traits.channels} channels")
        size = f"picture of {traits.width}x{traits.height} pixels, {colours}"
        if traits.height == 1:
            size = f"signal of {traits.width:,} samples, {traits.channels} a time"
        return [f"{self.picture.path}: {size}", *(f"  note: {n}" for n in self.picture.notes)]

    def origin(self, out: Path) -> Origin:
        """Where the picture came from, seen from the run folder `out`."""
        picture = self.picture
        data = describe_data(
            picture.path,
            out,
            fingerprint=picture.fingerprint,
            splits={"train": 1},
            downscale=picture.downscale,
        )
        traits = {**picture.traits._asdict(), "low": picture.low, "high": picture.high}
        return Origin(data, torch.eye(4).tolist(), traits)

    def keep(self, run: Run) -> None:
        """A run needs nothing else."""

    def preview(
        self, run: Run, method: Any, model: nn.Module, *, cfg: Any, display: Display
    ) -> Gallery:
        """What draws the training's pictures."""
        traits = self.traits
        truth = self.picture.values
        size = None
        if self._free_size and traits.height * traits.width > MOST_PREVIEWED:
            size = limited(traits.height, traits.width)
            truth = resized(truth, size)

        def draw() -> Shown:
            with torch.no_grad():
                found = method.image(model, cfg, size=size).clamp(0, 1)
            near = resized(found, (truth.shape[0], truth.shape[1]))
            return Shown(thumbnail(found, truth), float(psnr(near, truth)))

        return Gallery(run, model, draw, target=thumbnail(truth, truth), display=display)


def open_picture(path: Path, *, cfg: Any, downscale: int) -> Pixels:
    """A picture, and what the method's Config says of its mask. Raises DataError."""
    picture = read_picture(path, mask=Path(cfg.mask) if cfg.mask else None, downscale=downscale)
    return Pixels(picture, PictureSampler(picture))


def open_samples(
    path: Path, *, cfg: Any, downscale: int, drop_invalid: bool = False
) -> Pixels | Solid:
    """A picture, a signal, or the shape of a mesh file, sample by sample. Raises DataError."""
    if path.suffix.lower() in MESHES:
        return Solid(read_shape(path, drop_invalid=drop_invalid))
    picture = open_picture(path, cfg=cfg, downscale=downscale).picture
    return Pixels(picture, PictureSampler(picture, held_out=cfg.held_out), free_size=True)
