"""Controlling Neural Level Sets: the theorem that ReLU networks have every flat-faced surface.

Atzmon, Haim, Yariv, Israelov, Maron, Lipman 2019, arXiv:1905.11911: every watertight surface of
flat faces is the zero set of a multilayer perceptron with ReLU. Here that network is computed, not
trained: overlapping open convex pieces, each bounded by planes of faces, fill the inside
(geometry/convex_cover.py), f = min over pieces of max over their planes of (n.x + c), and a min-max
is a network (fields/piecewise_linear.py). f < 0 exactly inside, f = 0 exactly on the surface, up
to rounding in double precision. With unit normals |f| is at most the distance to the surface, and
|grad f| = 1 almost everywhere. A convex solid is one piece, and f the distance inside it.

Departures: no triangulation of space, whose regions would need many times more forms; the pieces
overlap instead. That nothing inside is left out is decided by a finite set of points up to
`checked` planes (geometry/strata.py), by random points alone beyond.
Cannot: open or self-crossing meshes; more than a thousand faces; curved surfaces but by facets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from rayfield.fields.piecewise_linear import PiecewiseLinear, network_of
from rayfield.geometry.convex_cover import Piece, cover_randomly, extend, uncovered
from rayfield.geometry.polyhedron import Polyhedron
from rayfield.geometry.strata import gaps
from rayfield.math.min_max import MinMax

RANDOM = 0.3  # of the work, by guess: the random search, where the other one follows

Report = Callable[[float, str], None]
"""Told of how much is done, in [0, 1], and a few words."""


@dataclass(frozen=True)
class Config:
    """`faces`: simplify the mesh to so many first, 0: take it as it is. `checked`: up to so many
    planes all their crossings are asked for gaps. `units` of the layers from input to output, and
    how many `weights` each layer stores, follow from the mesh."""

    faces: int = 0
    checked: int = 256
    units: tuple[int, ...] = (3, 1)
    weights: tuple[int, ...] = (3,)


PRESETS = {"default": Config()}


def construct(
    cfg: Config,
    solid: Polyhedron,
    *,
    generator: Generator,
    report: Report = lambda done, what: None,
) -> tuple[PiecewiseLinear, Config]:
    """The network of a solid, and the config with its sizes."""
    pieces = cover(cfg, solid, generator=generator, report=report)
    report(1.0, f"a network of {len(pieces)} pieces")
    network = network_of(formula(solid, pieces))
    units = (3, *(layer.size[0] for layer in network.layers))
    weights = tuple(len(layer.weight) for layer in network.layers)
    return network, replace(cfg, units=units, weights=weights)


def remarks(cfg: Config, solid: Polyhedron) -> list[str]:
    """What a user should know before: whether gaps between pieces are searched for everywhere."""
    if len(solid.planes) <= cfg.checked:
        return []
    more = f"--set checked={len(solid.planes)} asks all crossings of planes, which takes long"
    return [f"more than {cfg.checked} planes: gaps are looked for at random points alone; {more}"]


def cover(
    cfg: Config,
    solid: Polyhedron,
    *,
    generator: Generator,
    report: Report = lambda done, what: None,
) -> list[Piece]:
    """Convex pieces that fill the solid: from random points, then from every crossing of planes."""
    whole = len(solid.planes) <= cfg.checked
    share = RANDOM if whole else 1.0
    pieces = cover_randomly(
        solid,
        generator=generator,
        report=lambda done, n: report(done * share, f"{n} convex pieces"),
    )
    if whole:
        for gap in gaps(solid, lambda points: uncovered(solid, pieces, points)):
            extend(solid, pieces, gap.points)
            done = share + (1 - share) * gap.done
            report(done, f"{len(pieces)} convex pieces, looking for gaps")
    return pieces


def formula(solid: Polyhedron, pieces: list[Piece]) -> MinMax:
    """f = min over pieces of max over their half-spaces."""
    forms = torch.from_numpy(solid.halfspaces)
    return MinMax(forms, tuple(tuple(piece.tolist()) for piece in pieces))


def build(cfg: Config, *, generator: Generator) -> PiecewiseLinear:
    """A network of the sizes in the config, all zeros: what a checkpoint is read into."""
    return PiecewiseLinear(cfg.units, cfg.weights)


def surface(model: PiecewiseLinear) -> Callable[[Float[Tensor, "N 3"]], Float[Tensor, " N"]]:
    """f, negative inside, in double precision; points in scene units."""
    return model
