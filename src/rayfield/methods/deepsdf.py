"""DeepSDF: Learning Continuous Signed Distance Functions for Shape Representation.

Park, Florence, Straub, Newcombe, Lovegrove 2019, arXiv:1901.05103. An auto-decoder: one network
gives signed distances at points of every shape of a class, each told by a code that is learned with
it (Sec. 4.2, eq. 9); for a new shape, also seen in part, the network is frozen and a code fitted to
what is known of its distances (eq. 10, Sec. 6.3). Network: Sec. 5.1.

Departures: preset laptop is smaller, with falling rates, shorter fits, no dropout; both: shapes of
a longest side of 1.6, not within the unit sphere; batches not balanced by sign; distances of voxel
grids right to a cell; the prior on the codes' norm, as in the released code (paper: its square),
grows over the first twentieth of the steps.
Cannot: tell a shape from bare points: it needs distances or normals; open surfaces; other classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from rayfield.core.check import UsageError
from rayfield.data.shape_batches import DEEPSDF_SPREADS, Mirror, Observation, ShapeBatch, Wanted
from rayfield.data.shape_class import ShapesTraits
from rayfield.data.solids import PointFn, walled
from rayfield.fields.deepsdf import AutoDecoder, DeepSDFDecoder, new_codes
from rayfield.objectives.pointwise import clamped_error

RAMP = 0.05  # of the steps, over which the prior grows


@dataclass(frozen=True)
class Config:
    """`points` of each of the `shapes` of a step; distances beyond `clamp` count as that far;
    `fit_`: of a code for a new shape. `learned`: how many shapes, as the data has."""

    steps: int = 4000
    shapes: int = 16
    points: int = 512
    near: float = 0.94  # 47 of 50
    mirror: Mirror = "none"
    width: int = 256
    layers: int = 6
    code: int = 64
    dropout: float = 0.0
    clamp: float = 0.1
    prior: float = 1e-4
    rate: float = 1e-3
    code_rate: float = 2e-3
    final_rate: float = 0.05
    fit_steps: int = 200
    fit_points: int = 1024
    fit_rate: float = 1e-2
    learned: int = 0

    def __post_init__(self) -> None:
        if min(self.shapes, self.points, self.layers - 1, self.code, self.fit_steps) < 1:
            raise ValueError("shapes, points, code, fit_steps must be 1 or more, layers 2")
        if self.width <= self.code + 3 or self.clamp <= 0 or not 0 <= self.near <= 1:
            raise ValueError("width must exceed code + 3, clamp 0, and near be between 0 and 1")

    @property
    def observes(self) -> Observation:
        """What a code is fitted to."""
        return "distances"

    def wanted(self, count: int) -> Wanted:
        """The data to learn `count` shapes from; codes are of shapes as they are."""
        if self.mirror != "none":
            raise UsageError("deepsdf has a code for each shape as it is: leave mirror=none")
        return Wanted("distance", "none", self.shapes, self.near, DEEPSDF_SPREADS)


PRESETS = {
    "laptop": Config(),
    "paper": Config(
        steps=100_000, shapes=64, points=16384, width=512, layers=8, code=256, dropout=0.2,
        rate=5e-4, code_rate=1e-3, final_rate=0.0625, fit_steps=800, fit_points=8000, fit_rate=5e-3,
    ),
}  # fmt: skip


def adapt(cfg: Config, traits: ShapesTraits) -> Config:
    """Takes over how many shapes there are."""
    return replace(cfg, learned=traits.shapes)


def build(cfg: Config, *, generator: Generator) -> AutoDecoder:
    """The untrained network and a code for each shape."""
    decoder = DeepSDFDecoder(
        cfg.width, cfg.layers, code=cfg.code, dropout=cfg.dropout, generator=generator
    )
    return AutoDecoder(decoder, new_codes(max(cfg.learned, 1), cfg.code, generator=generator))


def batch_size(model: AutoDecoder, cfg: Config) -> int:
    """Points of a batch, of all its shapes."""
    return cfg.shapes * cfg.points


def param_groups(model: AutoDecoder, cfg: Config) -> list[dict[str, Any]]:
    """The network and the codes, each at its rate."""
    parts = ((list(model.decoder.parameters()), cfg.rate), ([model.codes], cfg.code_rate))
    return [{"params": p, "lr": rate, "betas": (0.9, 0.999), "eps": 1e-8} for p, rate in parts]


def lr_factor(cfg: Config, step: int, progress: float) -> float:
    """Exponential decay to `final_rate` (the paper halves every 500 epochs)."""
    return cfg.final_rate**progress


def loss(
    model: AutoDecoder, batch: ShapeBatch, cfg: Config, step: int, *, generator: Generator
) -> dict[str, Tensor]:
    """Clamped distance error and the size of the codes, eq. 9 and 4."""
    codes = model.bounded(batch.shape)
    found = model.decoder(batch.points, codes, generator=generator)
    ramp = min(1.0, (step + 1) / (RAMP * cfg.steps))
    prior = cfg.prior * ramp * codes.norm(dim=1).mean()
    return {"distance": clamped_error(found, batch.values, cfg.clamp), "code": prior}


def infer(
    model: AutoDecoder, seen: Float[Tensor, "B M 4"], cfg: Config, *, generator: Generator
) -> Float[Tensor, "B C"]:
    """Codes of new shapes, fitted to points and distances with the network frozen, eq. 10."""
    codes = (0.01 * torch.randn(len(seen), cfg.code, generator=generator)).requires_grad_()
    optimiser = torch.optim.Adam([codes], lr=cfg.fit_rate)
    for step in range(cfg.fit_steps):
        optimiser.param_groups[0]["lr"] = cfg.fit_rate * (0.1 if 2 * step >= cfg.fit_steps else 1)
        pick = torch.randint(seen.shape[1], (cfg.fit_points,), generator=generator)
        points, true = seen[:, pick].split((3, 1), dim=-1)
        error = clamped_error(model.decoder(points, codes), true[..., 0], cfg.clamp)
        total = len(seen) * (error + cfg.prior * codes.square().mean())
        (codes.grad,) = torch.autograd.grad(total, [codes])
        optimiser.step()
    return codes.detach()


def known(model: AutoDecoder, shape: Tensor, seen: Tensor) -> Float[Tensor, "B C"]:
    """The codes of shapes learned from."""
    return model.codes[shape]


def surface(model: AutoDecoder, code: Float[Tensor, " C"] | None = None) -> PointFn:
    """Points to signed distances, negative inside; of the first shape if `code` is None."""
    codes = model.codes[:1] if code is None else code[None]
    return walled(lambda points: model.decoder(points[None], codes)[0])
