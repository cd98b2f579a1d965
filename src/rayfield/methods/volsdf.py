"""VolSDF: Volume Rendering of Neural Implicit Surfaces.

Yariv, Gu, Kasten, Lipman 2021, arXiv:2106.12052. Density is Laplace's distribution function of the
signed distance over its width beta (Sec. 3.1, `math.density`), which is learned with the rest.
Loss: Sec. 3.5.

Departures: what is learned of beta is a factor on a schedule; left alone, beta takes far longer to
fall than a surface to be found. At `fast` a hash grid (`fields.surface`) instead of networks, with
levels added on the way, and even cells within `reach` widths of the surface instead of samples of
bounded error, which `laptop` and `paper` have. Density is integrated exactly over cells. A bending
term smooths. Where photos have alpha: masks, and a random background. What is behind the subject's
ball is a radiance field in contracted space; before it, colour is the same from all sides at first.
Cannot: glass, fog and hair; thin sheets seen from both sides; light that changes in other ways
than brightness (`exposure`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Generator, Tensor

from rayfield.core.types import FromData, RayBatch, Rays, Rendered
from rayfield.math.density import laplace_depth
from rayfield.objectives.surface_photos import photo_terms, shape_terms
from rayfield.render.dense import bounded_places
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
    """Sizes, weights and schedules, as in `growth.Plan`; the width is beta.

    A factor on beta is learned at `factor_rate`, down to `sharpest`. Cells are `step` long, or as
    beta. `cutoff`: light that is left where a ray ends.
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
    sharp: float = 0.003
    sharpest: float = 0.001
    factor_rate: float = 1e-3
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
    100_000, 8, 4, rays=1024, width=256, radius=0.6, rate=5e-4, final_rate=0.1, warmup=1,
    blurred=0.1, sharp=0.1, sharpest=1e-4, factor_rate=5e-3, cutoff=0.0, mask=0.0, bending=0.0,
)  # fmt: skip
_LAPTOP = replace(
    _PAPER, steps=6000, sharp=0.006, cutoff=5e-3, mask=0.1,
    layers=4, color_layers=2, width=128, rays=256, warmup=200, rate=1e-3,
)  # fmt: skip
PRESETS = {"fast": Config(), "laptop": _LAPTOP, "paper": _PAPER}


def build(cfg: Config, *, generator: Generator) -> Subject:
    """The untrained model: a sphere."""
    return blurred_sphere(cfg, bounded_places, learned=True, generator=generator)


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
    beta = model.learned_width().clamp_min(cfg.sharpest)
    return Marching(max(cfg.step, model.width), partial(laplace_depth, beta=beta))
