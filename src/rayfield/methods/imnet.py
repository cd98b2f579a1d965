"""IM-NET: Learning Implicit Fields for Generative Shape Modeling.

Chen & Zhang 2019, arXiv:1812.02822; networks of the authors' improved release. An auto-encoder of
voxels: a code from a grid, and a network from a point and the code to being inside (Sec. 3.1),
learned from coarse cells to fine ones (Sec. 3.3); shapes between two by codes between theirs.

Departures: grids of 32^3 cells; several shapes a step instead of one; a higher rate that decays;
half of the points near the surface. Preset laptop: narrower, weights start by He et al. 2015, as
N(0, 0.02) dies in narrow layers. Beyond the cube of side 1.1 all is outside. No GAN, no pictures.
Cannot: detail finer than the grids tell the code; open surfaces; shapes unlike those of the class.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from rayfield.data.shape_batches import Mirror, Observation, ShapeBatch, Wanted
from rayfield.data.shape_class import ShapesTraits
from rayfield.data.solids import HALF, PointFn, walled
from rayfield.fields.imnet import WIDTHS, AutoEncoder, ImNetDecoder
from rayfield.fields.voxel_encoder import SigmoidVoxelEncoder
from rayfield.geometry.voxels import coarsened, in_grid


@dataclass(frozen=True)
class Config:
    """`points` of each of the `shapes` of a step; `levels`: cells a side, coarse to fine; `stages`:
    parts of the steps that end each but the last; `start`: deviation of weights, 0: He's."""

    steps: int = 4000
    shapes: int = 8
    points: int = 1024
    near: float = 0.5
    spread: float = 0.05
    mirror: Mirror = "none"
    widths: tuple[int, ...] = (256, 256, 256, 128, 64)
    code: int = 128
    channels: int = 16
    levels: tuple[int, ...] = (16, 32)
    stages: tuple[float, ...] = (0.25,)
    start: float = 0.0
    rate: float = 1e-3
    final_rate: float = 0.05
    learned: int = 0

    def __post_init__(self) -> None:
        finest = max(self.levels, default=0)
        if finest < 8 or finest & (finest - 1) or any(finest % level for level in self.levels):
            raise ValueError("levels must be powers of two, the finest 8 or more")
        if self.levels[-1] != finest or len(self.stages) != len(self.levels) - 1:
            raise ValueError("levels must end with the finest, and stages be one fewer")
        if min(self.shapes, self.points, self.code, self.channels, *self.widths) < 1:
            raise ValueError("shapes, points, widths, code and channels must be 1 or more")

    @property
    def observes(self) -> Observation:
        """What a code is found from."""
        return "voxels"

    def wanted(self, count: int) -> Wanted:
        """The data to learn `count` shapes from."""
        mirror = self.mirror if count > 1 else "none"
        return Wanted(
            "occupancy", "voxels", self.shapes, self.near, (self.spread, self.spread / 4),
            mirror, resolution=self.levels[-1],
        )  # fmt: skip


PRESETS = {
    "laptop": Config(),
    "paper": Config(
        steps=400_000, shapes=1, points=16384, widths=WIDTHS, code=256, channels=32,
        levels=(16, 32, 64), stages=(0.25, 0.5), start=0.02, rate=5e-5, final_rate=1.0,
    ),
}  # fmt: skip


def adapt(cfg: Config, traits: ShapesTraits) -> Config:
    """Takes over how many shapes there are."""
    return replace(cfg, learned=traits.shapes)


def build(cfg: Config, *, generator: Generator) -> AutoEncoder:
    """The untrained model; of a single shape without an encoder."""
    if cfg.learned <= 1:
        single = ImNetDecoder(cfg.widths, code=0, spread=cfg.start, generator=generator)
        return AutoEncoder(single, None)
    encoder = SigmoidVoxelEncoder(
        cfg.code, base=cfg.channels, resolution=cfg.levels[-1], generator=generator
    )
    decoder = ImNetDecoder(cfg.widths, code=cfg.code, spread=cfg.start, generator=generator)
    return AutoEncoder(decoder, encoder)


def batch_size(model: AutoEncoder, cfg: Config) -> int:
    """Points of a batch, of all its shapes."""
    return cfg.shapes * cfg.points


def param_groups(model: AutoEncoder, cfg: Config) -> list[dict[str, Any]]:
    """All parameters at one rate."""
    params = list(model.parameters())
    return [{"params": params, "lr": cfg.rate, "betas": (0.5, 0.999), "eps": 1e-8}]


def lr_factor(cfg: Config, step: int, progress: float) -> float:
    """Exponential decay to `final_rate`."""
    return cfg.final_rate**progress


def level_at(cfg: Config, step: int) -> int:
    """Cells a side that a step learns."""
    return cfg.levels[sum(step >= end * cfg.steps for end in cfg.stages)]


def kept(batch: ShapeBatch, level: int) -> Bool[Tensor, "B N"]:
    """Points whose cell of that level (true if any of it is inside) says what is true of them."""
    cells = coarsened(batch.seen, batch.seen.shape[-1] // level)
    return in_grid(cells, batch.points, half=HALF) == (batch.values > 0.5)


def loss(
    model: AutoEncoder, batch: ShapeBatch, cfg: Config, step: int, *, generator: Generator
) -> dict[str, Tensor]:
    """Squared error (eq. 1) of the points that the step's level tells right."""
    found = model(batch.points, model.encode(batch.seen))
    keep = kept(batch, level_at(cfg, step)).float()
    return {"mse": ((found - batch.values).square() * keep).sum() / keep.sum().clamp_min(1)}


@torch.no_grad()
def infer(model: AutoEncoder, seen: Tensor, cfg: Config, *, generator: Generator) -> Tensor:
    """The codes [B, C] of grids."""
    return model.encode(seen)


def known(model: AutoEncoder, shape: Tensor, seen: Tensor) -> Float[Tensor, "B C"]:
    """The codes of shapes learned from: those of their grids."""
    return model.encode(seen)


def surface(model: AutoEncoder, code: Float[Tensor, " C"] | None = None) -> PointFn:
    """Points to 0.5 less the occupancy: negative inside. None: the only shape."""
    codes = torch.zeros(1, 0) if code is None else code[None]
    return walled(lambda points: 0.5 - model(points[None], codes)[0])
