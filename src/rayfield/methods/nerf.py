"""NeRF: Representing Scenes as Neural Radiance Fields for View Synthesis.

Mildenhall, Srinivasan, Tancik, Barron, Ramamoorthi, Ng 2020, arXiv:2003.08934. The field (Sec. 3,
`build`), a coarse and a fine network trained together (Sec. 5.2 and 5.3, `loss`), forward-facing
scenes in normalised device coordinates (Appendix C). Preset "paper" has the sizes of the released
code, which leaves out the paper's factor pi in the encoding and passes coordinates on beside it.

Departures: batches mix all photos; a network that starts without density has its sign turned; the
box of cut-out subjects is [-1, 1]^3, rays that miss it are not asked; captures that are not
forward-facing are contracted (mip-NeRF 360, arXiv:2111.12077, eq. 10). Preset "laptop" besides:
smaller networks, fewer samples, a higher rate with warm-up, and the last cell ends where its ray
does (`infinite`: it never does).
Cannot: light that changes between photos, pose refinement, surfaces (density has no level).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Generator, Tensor, nn

from rayfield.core.check import UsageError
from rayfield.core.types import FromData, RayBatch, Rays, Rendered, SceneTraits
from rayfield.fields.nerf_mlp import NerfMLP
from rayfield.render import hierarchical
from rayfield.render.space import Kind, Space


@dataclass(frozen=True)
class Config:
    """Sizes, samples, rates. With `fine_samples` 0 there is only the coarse network."""

    steps: int = 20_000
    width: int = 128
    depth: int = 4
    skip: int = 4  # after this layer (from 0) the encoding joins again
    bands: int = 8
    direction_bands: int = 4
    views: bool = True  # colour depends on the direction of view
    coarse_samples: int = 32
    fine_samples: int = 32
    rays: int = 256
    rate: float = 4e-3
    final_rate: float = 0.1
    decay_steps: int = 0  # in which the rate falls to `final_rate`; 0: all of the training
    warmup: int = 20
    noise: float = 0.0  # standard deviation added to density before its ReLU, in training
    background: Literal["white", "black", "random"] = "white"  # behind photos with alpha
    infinite: bool = False
    space: Literal["auto", "box", "contracted", "ndc"] = "auto"
    forward: FromData[tuple[float, ...]] = ()  # the frustum of "ndc", from the scene

    def __post_init__(self) -> None:
        if min(self.width, self.depth, self.rays) < 1 or self.coarse_samples < 2:
            raise ValueError("width, depth and rays must be 1 or more, coarse_samples 2")


PRESETS = {
    "laptop": Config(),
    "paper": Config(
        steps=500_000, width=256, depth=8, bands=10, coarse_samples=64, fine_samples=128, rays=1024,
        rate=5e-4, decay_steps=500_000, warmup=0, infinite=True,
    ),
}  # fmt: skip


class Model(nn.Module):
    """The coarse network and, where there are fine samples, the fine one."""

    def __init__(self, cfg: Config, generator: Generator) -> None:
        super().__init__()
        self.cfg = cfg
        self.coarse = _network(cfg, generator)
        self.fine = _network(cfg, generator) if cfg.fine_samples else None

    @property
    def networks(self) -> tuple[NerfMLP, ...]:
        """All networks; the last is what views show."""
        return (self.coarse,) if self.fine is None else (self.coarse, self.fine)


def _network(cfg: Config, generator: Generator) -> NerfMLP:
    """A network that has density somewhere: without any, ReLU would never pass a gradient."""
    network = NerfMLP(
        width=cfg.width, depth=cfg.depth, skip=cfg.skip, bands=cfg.bands,
        direction_bands=cfg.direction_bands, views=cfg.views, generator=generator,
    )  # fmt: skip
    places = torch.rand(256, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        if not (network.geometry(places)[0] > 0).any():
            network.density_head.weight.neg_()
    return network


def adapt(cfg: Config, traits: SceneTraits) -> Config:
    """The space of the scene; density noise where it is forward-facing, as in the paper."""
    fitting: Kind = "box" if traits.bounded else "ndc" if traits.forward else "contracted"
    space = fitting if cfg.space == "auto" else cfg.space
    if space == "ndc" and fitting != "ndc":
        raise UsageError(
            "space=ndc needs cameras that all look one way, with everything they see in front of "
            f"them; these do not: leave it out (auto: {fitting})"
        )
    if (space == "box") != traits.bounded:
        raise UsageError(f"space={space} does not fit this scene: leave it out (auto: {fitting})")
    return replace(
        cfg,
        space=space,
        forward=traits.forward,
        background=cfg.background if traits.alpha else "black",
        noise=1.0 if space == "ndc" else cfg.noise,
    )


def build(cfg: Config, *, generator: Generator) -> Model:
    """The untrained networks."""
    return Model(cfg, generator)


def batch_size(model: Model, cfg: Config) -> int:
    """Rays in every batch."""
    return cfg.rays


def param_groups(model: Model, cfg: Config) -> list[dict[str, Any]]:
    """Adam with the released code's constants."""
    group = {"params": list(model.parameters()), "lr": cfg.rate}
    return [{**group, "betas": (0.9, 0.999), "eps": 1e-7}]


def lr_factor(cfg: Config, step: int, progress: float) -> float:
    """Linear warm-up, then exponential decay."""
    done = step / cfg.decay_steps if cfg.decay_steps else progress
    return min(1.0, (step + 1) / (cfg.warmup + 1)) * cfg.final_rate**done


def loss(
    model: Model, batch: RayBatch, cfg: Config, step: int, *, generator: Generator
) -> dict[str, Tensor]:
    """Squared error of the last ("mse") and of the coarse network's colours: Sec. 5.3, eq. 6."""
    met = _space(cfg).sees(batch.rays)
    rays, rgba = Rays(*(x[met] for x in batch.rays)), batch.rgba[met]
    background = torch.full((1, 3), float(cfg.background == "white")).to(rgba)
    if cfg.background == "random":
        background = torch.rand(len(rgba), 3, generator=generator).to(rgba)
    target = rgba[:, :3] * rgba[:, 3:] + background * (1 - rgba[:, 3:])
    traced = trace(model, rays, cfg, background=background, generator=generator)
    count = 3 * len(batch.rgba)  # the rays that are not seen show the background, without error
    coarse, *fine = ((found.seen.color - target).square().sum() / count for found in traced)
    return {"mse": fine[0], "coarse": coarse} if fine else {"mse": coarse}


def trace(
    model: Model, rays: Rays, cfg: Config, *, background: Tensor, generator: Generator | None = None
) -> list[hierarchical.Traced]:
    """Samples and colours of both networks; perturbed, as in training, with a generator."""
    fields = [
        hierarchical.Field(
            partial(network.live, noise=cfg.noise, generator=generator),
            partial(network.color, directions=rays.directions),
        )
        for network in model.networks
    ]
    return hierarchical.trace(
        fields, _space(cfg), rays, samples=(cfg.coarse_samples, cfg.fine_samples),
        background=background, generator=generator,
    )  # fmt: skip


def render(
    model: Model, rays: Rays, cfg: Config, *, background: Tensor, generator: Generator | None = None
) -> Rendered:
    """What any number of rays see over a background colour; `generator` is not used."""
    samples = len(model.networks) * cfg.coarse_samples + cfg.fine_samples
    tracer = partial(trace, model, cfg=cfg, background=background[None])
    return hierarchical.render(tracer, _space(cfg), rays, background=background, samples=samples)


def density(model: Model) -> Callable[[Tensor], Tensor]:
    """Density of scene points [N, 3], 1/length; differentiable."""
    space, network = _space(model.cfg), model.networks[-1]
    return lambda x: torch.relu(network.geometry(space.warp(x))[0]) * space.stretch(x)


def color(model: Model) -> Callable[[Tensor, Tensor], Tensor]:
    """RGB of scene points [N, 3] seen along unit directions [N, 3]."""
    space, network = _space(model.cfg), model.networks[-1]

    def rgb(points: Tensor, directions: Tensor) -> Tensor:
        _, features = network.geometry(space.warp(points))
        return network.color(features, torch.arange(len(points)), directions=directions)

    return rgb


def _space(cfg: Config) -> Space:
    return Space("box" if cfg.space == "auto" else cfg.space, cfg.forward, cfg.infinite)
