"""UNISURF: Unifying Neural Implicit Surfaces and Radiance Fields for Multi-View Reconstruction.

Oechsle, Peng, Geiger 2021, arXiv:2104.10078. A sample is as opaque as it is occupied, however long
its cell (Sec. 3.1): once occupancy is all or nothing, volume rendering is surface rendering. Rays
are sampled around their root, in an interval that shrinks (Sec. 3.3).

Departures: occupancy is the logistic function of a signed distance kept so by an eikonal term, and
sharpens by a schedule; the paper's logits are free. At `fast` a hash grid (`fields.surface`)
instead of networks, and samples in front of the interval near the surface alone. Smoothness
compares gradients at samples, not normals at roots. Where photos have alpha: masks, and a random
background. What is behind the subject's ball is a radiance field in contracted space; before it,
colour is the same from all sides at first.
Cannot: glass, fog and hair; thin sheets seen from both sides; light that changes in other ways
than brightness (`exposure`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Generator, Tensor
from torch.nn.functional import softplus

from rayfield.core.types import FromData, RayBatch, Rays, Rendered
from rayfield.objectives.surface_photos import photo_terms, shape_terms
from rayfield.render.dense import even_places
from rayfield.render.growth import (
    adapt,
    advance,
    batch_size,
    blurred_sphere,
    color,
    groups,
    lr_factor,
    progress,
    surface,
)
from rayfield.render.shell import Focus, Marching
from rayfield.render.subject import Subject

# The rest of the contract is that of all subjects that grow.
__all__ = [
    "PRESETS", "Config", "adapt", "batch_size", "build", "color", "loss", "lr_factor",
    "param_groups", "render", "surface",
]  # fmt: skip


@dataclass(frozen=True)
class Config:
    """Sizes, weights and schedules, as in `growth.Plan`; the width is 1 / sharpness.

    Around a root there are `places` cells in an interval that shrinks from `wide` to `narrow`;
    elsewhere cells are `step` long, or as the width. `cutoff`: light that is left where a ray ends.
    """

    steps: int = 4000
    layers: int = 0
    color_layers: int = 2
    rays: int = 512
    levels: int = 8
    entries: int = 1 << 17
    finest: int = 512
    width: int = 64
    radius: float = 0.8
    rate: float = 1e-2
    final_rate: float = 0.05
    warmup: int = 10
    samples: int = 1 << 14
    step: float = 1 / 128
    blurred: float = 0.03
    sharp: float = 0.002
    wide: float = 0.5
    narrow: float = 0.03
    places: int = 16
    reach: float = 5.5
    cutoff: float = 5e-3
    occupancy: int = 128
    eikonal: float = 0.1
    mask: float = 0.1
    bending: float = 0.01
    alpha: FromData[bool] = True
    backdrop: FromData[bool] = False
    ball: FromData[float] = 1.0
    images: FromData[int] = 1
    exposure: bool = False  # learn a colour gain for each photo
    exposure_rate: float = 1e-3


_PAPER = Config(
    450_000, 8, 4, rays=1024, width=256, radius=0.5, rate=1e-4, final_rate=0.25, warmup=1,
    blurred=0.1, sharp=0.01, wide=4.0, narrow=0.2, places=64, cutoff=0.0, eikonal=0.1, mask=0.0,
    bending=0.005,
)  # fmt: skip
_LAPTOP = replace(
    _PAPER, steps=6000, blurred=0.05, sharp=0.004, narrow=0.03, places=32, mask=0.1,
    layers=4, color_layers=2, width=128, rays=256, warmup=200, rate=1e-3,
)  # fmt: skip
PRESETS = {"fast": Config(), "laptop": _LAPTOP, "paper": _PAPER}


def build(cfg: Config, *, generator: Generator) -> Subject:
    """The untrained model: a sphere."""
    return blurred_sphere(cfg, even_places, generator=generator)


def param_groups(model: Subject, cfg: Config) -> list[dict[str, Any]]:
    """Parameters and their rates."""
    return groups(model, cfg.rate, exposure_rate=cfg.exposure_rate)


def loss(
    model: Subject, batch: RayBatch, cfg: Config, step: int, *, generator: Generator
) -> dict[str, Tensor]:
    """Colour, mask, eikonal and bending terms."""
    advance(model, cfg, step, generator=generator)
    seen = model.look(
        batch.rays, _marching(model, cfg), samples=cfg.samples, cutoff=cfg.cutoff,
        generator=generator,
    )  # fmt: skip
    rgba = batch.rgba[: len(seen.rendered.opacity)]
    photo = photo_terms(seen.rendered, rgba, alpha=cfg.alpha, mask=cfg.mask, generator=generator)
    pairs = (seen.here, seen.nearby)
    return photo | shape_terms(seen.gradient, pairs, slope=cfg.eikonal, bending=cfg.bending)


def render(model: Subject, rays: Rays, cfg: Config, *, background: Tensor) -> Rendered:
    """What any number of rays see over a background colour."""
    return model.see(rays, _marching(model, cfg), background=background)


def _marching(model: Subject, cfg: Config) -> Marching:
    """Length of cells, and what makes them opaque."""
    width = model.width
    focus = Focus(0.5 * cfg.wide * (cfg.narrow / cfg.wide) ** progress(cfg, width), cfg.places)

    def rule(value: Tensor, slope: Tensor, length: Tensor) -> Tensor:
        return softplus(-value / width)  # -log(1 - occupancy), whatever the cell's length

    return Marching(max(cfg.step, width), rule, focus)
