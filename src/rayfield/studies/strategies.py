"""Two ways of choosing where to ask a trained NeRF along rays, and what rays show by them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from rayfield.core.types import Rays
from rayfield.methods import nerf

BLOCK = 1 << 16  # queries at a time


class Trained(NamedTuple):
    """Both networks of a trained NeRF, and the fine one by itself; the colour behind the scene."""

    pair: nerf.Model
    alone: nerf.Model
    cfg: nerf.Config
    background: Float[Tensor, "1 3"]


class Seen(NamedTuple):
    """Colours of some rays, and the places where the network that shows them was asked."""

    color: Float[Tensor, "R 3"]
    places: Float[Tensor, "R N"]


Strategy = Callable[[Trained, Rays, int], Seen]


def trained(model: nerf.Model, cfg: nerf.Config, behind: float) -> Trained:
    """A trained model as both strategies need it; `behind` the scene is that grey."""
    alone = nerf.build(replace(cfg, fine_samples=0), generator=Generator())
    alone.coarse = model.networks[-1]
    return Trained(model, alone, cfg, torch.full((1, 3), behind))


def uniform(field: Trained, rays: Rays, queries: int) -> Seen:
    """The fine network at equal distances."""
    cfg = replace(field.cfg, coarse_samples=queries, fine_samples=0)
    return _seen(field.alone, rays, cfg, field.background)


def hierarchical(field: Trained, rays: Rays, queries: int) -> Seen:
    """The coarse network at equal distances, the fine one there and where that found something."""
    coarse, fine = split(queries)
    cfg = replace(field.cfg, coarse_samples=coarse, fine_samples=fine)
    return _seen(field.pair, rays, cfg, field.background)


STRATEGIES: dict[str, Strategy] = {"uniform": uniform, "coarse + fine": hierarchical}


def split(queries: int) -> tuple[int, int]:
    """Nc and Nf in the paper's proportion 64 : 128, so that 2 Nc + Nf = `queries` (of 4)."""
    return queries // 4, queries - 2 * (queries // 4)


@torch.no_grad()
def render(strategy: Strategy, field: Trained, rays: Rays, *, queries: int) -> Float[Tensor, "R 3"]:
    """Colours of any number of rays by a strategy with so many queries each; rays that miss the
    scene show what is behind."""
    color = field.background.repeat(len(rays.near), 1)
    for block in (rays.near < rays.far).nonzero()[:, 0].split(max(1, BLOCK // queries)):
        some = Rays(*(x[block] for x in rays))
        color[block] = strategy(field, some, queries).color
    return color


def _seen(model: nerf.Model, rays: Rays, cfg: nerf.Config, background: Tensor) -> Seen:
    cells, seen = nerf.trace(model, rays, cfg, background=background)[-1]
    return Seen(seen.color, cells.edges[:, :-1])
