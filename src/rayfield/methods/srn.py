"""Scene Representation Networks: Continuous 3D-Structure-Aware Neural Scene Representations.

Sitzmann, Zollhoefer, Wetzstein 2019, arXiv:1906.01618. A function from points to features
(Sec. 3.1); each ray is marched to one point by a learned recurrent stepper (Sec. 3.2.1, Alg. 1),
whose feature a pixel generator makes a colour (Sec. 3.2.2); a hypernetwork predicts the function
of each scene of a class from a code (Sec. 3.3).

Departures: rays start sqrt(3) before their nearest point to the scene's centre, which is outside
the cube [-1, 1]^3, instead of at depth 0.05 for cameras close by (kept as the least); batches are
random rays of all photos, not whole images; no jitter when rendering. Preset laptop: smaller
networks, higher and falling rate; paper: 4096 rays instead of 16 images a step.
Cannot: density, meshes, see-through things (a ray has one depth), colours that depend on direction.
The background, white for cut-out subjects, is learned as part of the picture; opacity is 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Generator, Tensor

from rayfield.core.check import UsageError
from rayfield.core.types import FromData, RayBatch, Rays, Rendered, SceneTraits
from rayfield.fields.conditioned import HyperMLP, NormMLP
from rayfield.fields.srn import SceneNetworks, Stepper, start_depth
from rayfield.objectives.photometric import mse


@dataclass(frozen=True)
class Config:
    """Sizes, rates and weights of the loss; `photos` lists how many each scene of a class has."""

    steps: int = 10_000
    rays: int = 1024
    width: int = 128
    layers: int = 3  # of the scene function
    pixel_layers: int = 3
    hidden: int = 16  # of the stepper
    marches: int = 10
    least_start: float = 0.05
    jitter: float = 5e-4  # standard deviation of start depths in training
    rate: float = 1e-3
    final_rate: float = 0.05
    color: float = 200.0
    depth: float = 10.0  # on squared negative depths: the paper's 1e-3 times 1e4
    prior: float = 1.0  # on the mean square of codes
    code: int = 32
    photos: FromData[tuple[int, ...]] = ()  # none: a single scene, no codes


PRESETS = {
    "laptop": Config(),
    "paper": Config(
        steps=175_000, rays=4096, width=256, layers=4, pixel_layers=5, code=256,
        rate=5e-5, final_rate=1.0,
    ),
}  # fmt: skip


def adapt(cfg: Config, traits: SceneTraits) -> Config:
    """Takes over `photos` of a class; raises UsageError where it was set to something else."""
    if cfg.photos not in ((), traits.photos):
        found = f"has {traits.photos}" if traits.photos else "is a single scene"
        raise UsageError(f"photos={cfg.photos}, but the data {found}; leave it out")
    return replace(cfg, photos=traits.photos)


def build(cfg: Config, *, generator: Generator) -> SceneNetworks:
    """The untrained model; codes start in N(0, 0.01^2)."""
    widths = (3, *[cfg.width] * cfg.layers)
    phi: NormMLP | HyperMLP
    if cfg.photos:
        phi = HyperMLP(*widths, code=cfg.code, generator=generator)
    else:
        phi = NormMLP(*widths, generator=generator)
    stepper = Stepper(cfg.width, cfg.hidden, generator=generator)
    pixel = NormMLP(*[cfg.width] * (cfg.pixel_layers + 1), outputs=3, generator=generator)
    codes = 0.01 * torch.randn(len(cfg.photos), cfg.code, generator=generator)
    return SceneNetworks(phi, stepper, pixel, codes=codes, photos=cfg.photos)


def batch_size(model: SceneNetworks, cfg: Config) -> int:
    """Rays of a batch."""
    return cfg.rays


def param_groups(model: SceneNetworks, cfg: Config) -> list[dict[str, Any]]:
    """All parameters at one rate."""
    group = {"params": list(model.parameters()), "lr": cfg.rate}
    return [{**group, "betas": (0.9, 0.999), "eps": 1e-8}]


def lr_factor(cfg: Config, step: int, progress: float) -> float:
    """Exponential decay to `final_rate` (the paper's rate is constant)."""
    return cfg.final_rate**progress


def loss(
    model: SceneNetworks, batch: RayBatch, cfg: Config, step: int, *, generator: Generator
) -> dict[str, Tensor]:
    """Squared colour error in [-1, 1], negative depths, and the size of the codes (Sec. 3.4)."""
    noise = torch.randn(len(batch.rgba), generator=generator).to(batch.rgba)
    start = start_depth(batch.rays, least=cfg.least_start) + cfg.jitter * noise
    color, depth = model(batch.rays, start=start, steps=cfg.marches)
    rgb, alpha = batch.rgba.split((3, 1), dim=-1)
    target = 2 * (rgb * alpha + (1 - alpha)) - 1
    terms = {"color": cfg.color * mse(color, target)}
    terms["depth"] = cfg.depth * depth.clamp_max(0).square().mean()
    if len(model.codes):
        used = model.scenes(batch.rays.image).unique()
        terms["code"] = cfg.prior * model.codes[used].square().mean()
    return terms


def render(
    model: SceneNetworks, rays: Rays, cfg: Config, *,
    background: Tensor, generator: Generator | None = None,
) -> Rendered:  # fmt: skip
    """What rays see; of a class, the scene of the photo `rays.image`, or the mean of the codes.

    `background` and `generator` are not used.
    """
    color, depth = model(rays, start=start_depth(rays, least=cfg.least_start), steps=cfg.marches)
    color, depth, one = (0.5 * color + 0.5).clamp(0, 1), depth.clamp_min(0), torch.ones_like(depth)
    return Rendered(color, one, depth, torch.full_like(rays.image, cfg.marches + 1), 0 * one)


def fit_code(
    model: SceneNetworks, views: RayBatch, cfg: Config, *,
    steps: int, rate: float, generator: Generator,
) -> SceneNetworks:  # fmt: skip
    """The model of one new scene: the same networks, frozen, and a code fitted to its `views`.

    `views` are the pixels of one photo or a few (Sec. 4), of which each step draws `cfg.rays`.
    """
    code = 0.01 * torch.randn(1, cfg.code, generator=generator)
    new = SceneNetworks(model.phi, model.stepper, model.pixel, codes=code, photos=(1,))
    optimiser = torch.optim.Adam([new.codes], lr=rate)
    for step in range(steps):
        pick = torch.randint(len(views.rgba), (cfg.rays,), generator=generator)
        rays = Rays(*(x[pick] for x in views.rays))._replace(image=torch.zeros_like(pick))
        terms = loss(new, RayBatch(rays, views.rgba[pick]), cfg, step, generator=generator)
        (new.codes.grad,) = torch.autograd.grad(torch.stack([*terms.values()]).sum(), [new.codes])
        optimiser.step()
    return new
