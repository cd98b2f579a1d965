"""NeuS: Learning Neural Implicit Surfaces by Volume Rendering for Multi-view Reconstruction.

Wang, Liu, Liu, Theobalt, Komura, Wang 2021, arXiv:2106.10689. A signed distance and colours,
learned from photos by volume rendering: a cell of a ray is as opaque as the logistic function of
the distance falls over it (Sec. 3.1, `math.density`), so weights peak at the zero set. Loss:
Sec. 3.3, with masks where photos have alpha.

Departures: at `fast` sharpness follows a schedule instead of being learned, and levels of a hash
grid (`fields.surface`) are added as it grows; rays are sampled in cells of an occupancy grid within
`reach` widths of the surface. `laptop` and `paper` have networks (`fields.surface_network`) and
up-sampling. Rates fall exponentially. A bending term smooths. Photos with alpha have a random
background. What is behind the subject's ball is a radiance field in contracted space; before it,
colour depends on direction only once the shape is there.
Cannot: glass, fog and hair; thin sheets seen from both sides; light that changes in other ways
than brightness (`exposure`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Generator, Tensor

from rayfield.core.types import FromData, RayBatch, Rays, Rendered
from rayfield.math.density import neus_depth
from rayfield.objectives.surface_photos import photo_terms, shape_terms
from rayfield.render.dense import upsampled_places
from rayfield.render.growth import (
    adapt,
    advance,
    batch_size,
    blurred_sphere,
    color,
    groups,
    lr_factor,
    surface,
)
from rayfield.render.shell import Marching
from rayfield.render.subject import Subject

# The rest of the contract is that of all subjects that grow.
__all__ = [
    "PRESETS", "Config", "adapt", "batch_size", "build", "color", "loss", "lr_factor",
    "param_groups", "render", "surface",
]  # fmt: skip


@dataclass(frozen=True)
class Config:
    """Sizes, weights and schedules, as in `growth.Plan`; the width is 1 / sharpness, times a factor
    that is learned at `factor_rate`, if that is not 0.

    Cells are `step` long, or as the width. `cutoff`: light that is left where a ray ends.
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
    factor_rate: float = 0.0
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
    300_000, 8, 4, width=256, radius=0.5, rate=5e-4, warmup=5000, sharp=0.05, blurred=0.05,
    factor_rate=5e-3, cutoff=0.0, bending=0.0,
)  # fmt: skip
_LAPTOP = replace(
    _PAPER, steps=6000, sharp=0.004, factor_rate=0.0, cutoff=5e-3,
    layers=4, color_layers=2, width=128, rays=256, warmup=200, rate=1e-3,
)  # fmt: skip
PRESETS = {"fast": Config(), "laptop": _LAPTOP, "paper": _PAPER}


def build(cfg: Config, *, generator: Generator) -> Subject:
    """The untrained model: a sphere."""
    return blurred_sphere(cfg, upsampled_places, learned=cfg.factor_rate > 0, generator=generator)


def param_groups(model: Subject, cfg: Config) -> list[dict[str, Any]]:
    """Parameters and their rates."""
    rates = {"factor_rate": cfg.factor_rate, "exposure_rate": cfg.exposure_rate}
    return groups(model, cfg.rate, **rates)


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
    rule = partial(neus_depth, sharpness=1 / model.learned_width())
    return Marching(max(cfg.step, model.width), rule)
