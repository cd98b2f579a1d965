"""IDR: Multiview Neural Surface Reconstruction by Disentangling Geometry and Appearance.

Yariv, Kasten, Moran, Galun, Atzmon, Basri, Lipman 2020, arXiv:2003.09852. A signed distance and
colours, learned from photos and masks by surface rendering: a pixel is the colour of the first
point on its ray that is not outside (Sec. 3.1, `render.surface`), which depends on the distance
through where that point is (eq. 3), its normal and its code. Loss: colour (eq. 6), masks (eq. 7),
eikonal (eq. 8).

Departures: at `fast` a hash grid, to which finer levels are added, instead of networks
(`fields.surfaces`), in minutes, whose colour is not told the position. Colour depends on the
position to first order, by differences along the ray; a bending term smooths; of rays that graze,
gradients are bounded; rays of a step are from all photos; colours end in a logistic function, and
rates fall exponentially. Cameras are taken as they are.
Cannot: photos without masks; glass, fog and hair; light that changes between photos.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Generator, Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from rayfield.core.check import UsageError
from rayfield.core.types import RayBatch, Rays, Rendered, SceneTraits
from rayfield.fields.surfaces import AnySurface, sphere
from rayfield.objectives.surface_photos import shape_terms
from rayfield.render import meeting
from rayfield.render.growth import base_groups, check_photos, lr_factor
from rayfield.render.meeting import color
from rayfield.render.meeting import distance as surface
from rayfield.render.surface import Tracing

__all__ = [
    "PRESETS", "Config", "adapt", "batch_size", "build", "color", "loss", "lr_factor",
    "param_groups", "render", "surface",
]  # fmt: skip


@dataclass(frozen=True)
class Config:
    """Sizes, weights, schedules. Lengths are in scene units: the subject's cube is 2 wide.

    Of a grid, all `levels` are on after `grown` of the steps. `radius`: of the sphere to start
    from. `mask`: weight of the cross-entropy of alpha and the sigmoid of -`softness` f, over
    softness, which doubles `doublings` times, whenever a part `doubling` of the steps is over.
    `places`: where rays that miss are asked for their nearest point.
    """

    steps: int = 3000
    layers: int = 0
    color_layers: int = 2
    levels: int = 8
    first_levels: int = 2
    grown: float = 0.5
    entries: int = 1 << 17
    finest: int = 512
    width: int = 64
    radius: float = 0.8
    rate: float = 1e-2
    final_rate: float = 0.05
    warmup: int = 10
    rays: int = 2048
    trace: int = 12
    samples: int = 64
    places: int = 48
    slack: float = 1.1
    mask: float = 100.0
    softness: float = 50.0
    doublings: int = 5
    doubling: float = 1 / 6
    eikonal: float = 0.1
    bending: float = 0.01


_PAPER = Config(
    98_000, 8, 4, width=512, radius=0.6, rate=1e-4, final_rate=0.25, warmup=1, trace=10,
    samples=100, slack=1.0, doubling=1 / 8, bending=0.0,
)  # fmt: skip
_LAPTOP = replace(
    _PAPER, steps=6000, layers=4, width=128, color_layers=2, rays=512, rate=5e-4, warmup=200,
    slack=1.1,
)  # fmt: skip
PRESETS = {"fast": Config(), "laptop": _LAPTOP, "paper": _PAPER}


def adapt(cfg: Config, traits: SceneTraits) -> Config:
    """No setting follows from the scene. Raises UsageError for photos without masks, or few."""
    if not traits.bounded:
        raise UsageError("idr needs photos with alpha or masks; try neus, or --masks cut")
    check_photos(traits)
    return cfg


def build(cfg: Config, *, generator: Generator) -> AnySurface:
    """The untrained model: a sphere."""
    return sphere(cfg, generator=generator)


def batch_size(model: AnySurface, cfg: Config) -> int:
    """Rays a step."""
    return cfg.rays


def param_groups(model: AnySurface, cfg: Config) -> list[dict[str, Any]]:
    """Parameters and their rates."""
    return base_groups(model, cfg.rate)


def softness_at(cfg: Config, done: float) -> float:
    """Sharpness of the masks' sigmoid once a part of the steps is done."""
    return cfg.softness * 2.0 ** min(cfg.doublings, int(done / cfg.doubling + 1e-9))


def loss(
    model: AnySurface, batch: RayBatch, cfg: Config, step: int, *, generator: Generator
) -> dict[str, Tensor]:
    """Colour, mask, eikonal and bending terms."""
    done = min(1.0, step / cfg.steps)
    more = (cfg.levels - cfg.first_levels + 1) * min(1.0, done / cfg.grown)
    model.activate(min(cfg.levels, cfg.first_levels + int(more)))
    live = batch.rays.near < batch.rays.far  # outside the cube there is no field
    rays = Rays(*(x[live] for x in batch.rays))
    rgb, alpha = batch.rgba[live].split((3, 1), dim=-1)
    solid = alpha[:, 0] > 0.5
    met = meeting.meet(
        model, rays, solid, tracing=_tracing(cfg), places=cfg.places, generator=generator
    )
    shown = met.hit & solid
    softness = softness_at(cfg, done)
    cross = binary_cross_entropy_with_logits(
        -softness * met.value[~shown], alpha[~shown, 0], reduction="sum"
    )
    n = len(live)
    shape = (met.gradient, (met.here, met.nearby))
    return {
        "color": (met.color - rgb[shown]).abs().sum() / n,
        "mask": cfg.mask / softness * cross / n,
    } | shape_terms(*shape, slope=cfg.eikonal, bending=cfg.bending)


def render(model: AnySurface, rays: Rays, cfg: Config, *, background: Tensor) -> Rendered:
    """What any number of rays see over a background colour."""
    return meeting.see(model, rays, tracing=_tracing(cfg), background=background)


def _tracing(cfg: Config) -> Tracing:
    return Tracing(steps=cfg.trace, samples=cfg.samples, slack=cfg.slack)
