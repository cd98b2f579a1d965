"""Occupancy Networks: Learning 3D Reconstruction in Function Space.

Mescheder, Oechsle, Niemeyer, Nowozin, Geiger 2019, arXiv:1812.03828. A classifier from a point, and
the code of an observation, to the probability of being inside (Sec. 3.1), learned from points
(Sec. 3.2); the surface is at a threshold (Sec. 3.3). One shape: residual blocks without norm; a
class: conditional batch norm, and an encoder of points, voxels or pictures (supplement).
Departures: preset `local`: the code is a volume of features, as in Convolutional Occupancy Networks
(Peng et al. 2020, arXiv:2003.04618); half of the points near the surface (`near`; paper: none);
mean cross entropy; smaller networks, higher, falling rates, threshold 0.5 (0.2); Fourier features
for one shape; mirrored, stretched shapes; our own pictures; all outside beyond the cube; no VAE.
Cannot: open surfaces; learn without solid shapes; tell shapes unlike those of the class.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional

from rayfield.data.shape_batches import Mirror, Observation, ShapeBatch, Wanted
from rayfield.data.shape_class import ShapesTraits
from rayfield.data.solids import HALF, PointFn, walled
from rayfield.fields.class_networks import by_vector, by_volume
from rayfield.fields.occupancy import OccupancyNetwork, ResidualDecoder

WALL = 20.0  # slope of the surface function beyond the cube that is learned


@dataclass(frozen=True)
class Config:
    """`encoder`: what a class is told from. `points` of each of the `shapes` of a step; `features`,
    `scale`: of a single shape's Fourier mapping. `learned`: how many shapes, as the data has."""

    steps: int = 1500
    encoder: Literal["points", "voxels", "image"] = "points"
    shapes: int = 16
    points: int = 512
    near: float = 0.5
    spread: float = 0.04
    mirror: Mirror = "none"
    stretch: float = 0.0
    resolution: int = 32  # cells a side of the voxels seen
    width: int = 128
    blocks: int = 3
    code: int = 128
    volume: int = 0  # channels of a code that is a volume, 0: a vector of `code`
    hidden: int = 96  # of the point encoder
    channels: int = 8  # of the voxel encoder, half of the image encoder's
    features: int = 64
    scale: float = 1.0
    rate: float = 2e-3
    final_rate: float = 0.02
    threshold: float = 0.5
    learned: int = 0

    def __post_init__(self) -> None:
        if min(self.shapes, self.points, self.width, self.blocks, self.code, self.hidden) < 1:
            raise ValueError("shapes, points, width, blocks, code and hidden must be 1 or more")
        if not (0 <= self.near <= 1 and 0 < self.threshold < 1 and 0 <= self.stretch < 1):
            raise ValueError("near, threshold and stretch must be between 0 and 1")
        if self.volume < 0 or (self.volume and self.encoder == "image"):
            raise ValueError("volume must be 0 or more, and 0 with encoder=image")

    @property
    def observes(self) -> Observation:
        """What a code is found from."""
        return self.encoder

    def wanted(self, count: int) -> Wanted:
        """The data to learn `count` shapes from."""
        seen = self.encoder if count > 1 else "none"
        mirror = self.mirror if seen in ("points", "voxels") else "none"
        spreads, stretch = (self.spread, self.spread / 4), self.stretch * (seen == "points")
        plan = (self.shapes, self.near, spreads, mirror, stretch, self.resolution)
        return Wanted("occupancy", seen, *plan)


PRESETS = {
    "laptop": Config(),
    "local": Config(shapes=4, points=4096, spread=0.1, width=32, volume=16, hidden=32, rate=3e-3),
    "paper": Config(
        steps=300_000, shapes=64, points=2048, near=0.0, width=256, blocks=5, code=512, hidden=512,
        channels=32, features=0, rate=1e-4, final_rate=1.0, threshold=0.2,
    ),
}  # fmt: skip


def adapt(cfg: Config, traits: ShapesTraits) -> Config:
    """Takes over how many shapes there are."""
    return replace(cfg, learned=traits.shapes)


def build(cfg: Config, *, generator: Generator) -> OccupancyNetwork:
    """The untrained model."""
    size, kind, g = (cfg.width, cfg.blocks), cfg.encoder, generator
    if cfg.learned <= 1:
        single = ResidualDecoder(*size, features=cfg.features, scale=cfg.scale, generator=g)
        return OccupancyNetwork(single, None, threshold=cfg.threshold)
    if cfg.volume and kind != "image":
        axis = None if cfg.mirror == "none" else "xyz".index(cfg.mirror)
        each = {"channels": cfg.volume, "hidden": cfg.hidden}
        parts = by_volume(kind, *size, **each, half=HALF, mirror=axis, generator=g)
    else:
        rest = {"code": cfg.code, "hidden": cfg.hidden, "channels": cfg.channels}
        parts = by_vector(kind, *size, **rest, generator=g)
    return OccupancyNetwork(*parts, threshold=cfg.threshold)


def batch_size(model: OccupancyNetwork, cfg: Config) -> int:
    """Points of a batch, of all its shapes."""
    return cfg.shapes * cfg.points


def param_groups(model: OccupancyNetwork, cfg: Config) -> list[dict[str, Any]]:
    """All parameters at one rate."""
    return [{"params": [*model.parameters()], "lr": cfg.rate, "betas": (0.9, 0.999), "eps": 1e-8}]


def lr_factor(cfg: Config, step: int, progress: float) -> float:
    """Exponential decay to `final_rate`."""
    return cfg.final_rate**progress


def loss(
    model: OccupancyNetwork, batch: ShapeBatch, cfg: Config, step: int, *, generator: Generator
) -> dict[str, Tensor]:
    """Cross entropy of what is inside, eq. 3."""
    logits = model(batch.points, model.encode(batch.seen))
    return {"bce": functional.binary_cross_entropy_with_logits(logits, batch.values)}


@torch.no_grad()
def infer(model: OccupancyNetwork, seen: Tensor, cfg: Config, *, generator: Generator) -> Tensor:
    """The codes [B, C] of observations, as `Config.wanted` says."""
    return model.encode(seen)


def known(model: OccupancyNetwork, shape: Tensor, seen: Tensor) -> Float[Tensor, "B C"]:
    """The codes of shapes learned from: of what is `seen` of them."""
    return model.encode(seen)


def surface(model: OccupancyNetwork, code: Float[Tensor, " C"] | None = None) -> PointFn:
    """Points to the threshold's logit less theirs: negative inside. None: the only shape."""
    codes = torch.zeros(1, 0) if code is None else code[None]
    return walled(lambda points: model.level - model(points[None], codes)[0], slope=WALL)
