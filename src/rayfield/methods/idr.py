"""IDR: Multiview Neural Surface Reconstruction by Disentangling Geometry and Appearance.

Yariv, Kasten, Moran, Galun, Atzmon, Basri, Lipman 2020, arXiv:2003.09852. A signed distance and
colours, learned from photos and masks by surface rendering: a pixel is the colour of the first
point on its ray that is not outside (Sec. 3.1, `render.surface`), which depends on the distance
through where that point is (eq. 3), its normal and its code. Loss: colour (eq. 6), masks (eq. 7),
eikonal (eq. 8).

Departures: a hash grid, to which finer levels are added, instead of a network (`fields.surface`),
in minutes; the colour is not told the position, and depends on it to first order, by differences
along the ray; a bending term smooths; of rays that graze, gradients are bounded. Cameras are taken
as they are.
Cannot: photos without masks; glass, fog and hair; light that changes between photos.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Generator, Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from rayfield.core.check import UsageError
from rayfield.core.types import RayBatch, Rays, Rendered, SceneTraits
from rayfield.fields.hashgrid import HashGrid
from rayfield.fields.surface import SurfaceField
from rayfield.objectives.surface_photos import shape_terms
from rayfield.render import meeting
from rayfield.render.growth import check_photos
from rayfield.render.surface import Tracing


@dataclass(frozen=True)
class Config:
    """Sizes, weights, schedules. Lengths are in scene units: the subject's cube is 2 wide.

    All `levels` are on after `grown` of the steps. `radius`: of the sphere to start from. `mask`:
    weight of the cross-entropy of alpha and the sigmoid of -`softness` f, over softness, which
    doubles `doublings` times. `places`: where rays that miss are asked for their nearest point.
    """

    steps: int = 3000
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
    eikonal: float = 0.1
    bending: float = 0.01


PRESETS = {"fast": Config()}


def adapt(cfg: Config, traits: SceneTraits) -> Config:
    """No setting follows from the scene. Raises UsageError for photos without masks, or few."""
    if not traits.bounded:
        raise UsageError("idr needs photos with alpha or masks; try neus, or --masks cut")
    check_photos(traits)
    return cfg


def build(cfg: Config, *, generator: Generator) -> SurfaceField:
    """The untrained model: a sphere."""
    grid = HashGrid(
        levels=cfg.levels, features=4, entries=cfg.entries, base=16, finest=cfg.finest,
        generator=generator,
    )  # fmt: skip
    return SurfaceField(grid, cfg.width, radius=meeting.HALF * cfg.radius, generator=generator)


def batch_size(model: SurfaceField, cfg: Config) -> int:
    """Rays a step."""
    return cfg.rays


def param_groups(model: SurfaceField, cfg: Config) -> list[dict[str, Any]]:
    """Parameters and their rates."""
    groups = (
        {"params": [model.sdf.grid.table], "lr": cfg.rate, "sparse": True},
        {"params": model.matrices(), "lr": cfg.rate},
    )
    return [group | {"betas": (0.9, 0.99), "eps": 1e-15} for group in groups]


def lr_factor(cfg: Config, step: int, progress: float) -> float:
    """Linear warm-up, then exponential decay to `final_rate`."""
    return min(1.0, (step + 1) / cfg.warmup) * cfg.final_rate**progress


def loss(
    model: SurfaceField, batch: RayBatch, cfg: Config, step: int, *, generator: Generator
) -> dict[str, Tensor]:
    """Colour, mask, eikonal and bending terms."""
    done = min(1.0, step / cfg.steps)
    more = (cfg.levels - cfg.first_levels + 1) * min(1.0, done / cfg.grown)
    model.sdf.activate(min(cfg.levels, cfg.first_levels + int(more)))
    live = batch.rays.near < batch.rays.far  # outside the cube there is no field
    rays = Rays(*(x[live] for x in batch.rays))
    rgb, alpha = batch.rgba[live].split((3, 1), dim=-1)
    solid = alpha[:, 0] > 0.5
    met = meeting.meet(
        model, rays, solid, tracing=_tracing(cfg), places=cfg.places, generator=generator
    )
    shown = met.hit & solid
    softness = cfg.softness * 2 ** int(done * (cfg.doublings + 1))
    cross = binary_cross_entropy_with_logits(
        -softness * met.value[~shown], alpha[~shown, 0], reduction="sum"
    )
    n = len(live)
    shape = (met.gradient, (met.here, met.nearby))
    return {
        "color": (met.color - rgb[shown]).abs().sum() / n,
        "mask": cfg.mask / softness * cross / n,
    } | shape_terms(*shape, slope=cfg.eikonal, bending=cfg.bending)


def render(model: SurfaceField, rays: Rays, cfg: Config, *, background: Tensor) -> Rendered:
    """What any number of rays see over a background colour."""
    return meeting.see(model, rays, tracing=_tracing(cfg), background=background)


def surface(model: SurfaceField) -> Callable[[Tensor], Tensor]:
    """Signed distances of scene points, about: negative inside, zero on the surface."""
    return meeting.distance(model)


def color(model: SurfaceField) -> Callable[[Tensor, Tensor], Tensor]:
    """RGB of scene points [N, 3] seen along unit directions [N, 3]."""
    return meeting.color(model)


def _tracing(cfg: Config) -> Tracing:
    return Tracing(steps=cfg.trace, samples=cfg.samples, slack=cfg.slack)
