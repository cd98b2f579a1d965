"""Coarse-to-fine volume rendering: each field samples where the one before it found something.

Mildenhall et al. 2020 (NeRF), arXiv:2003.08934, Sec. 5.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from jaxtyping import Float
from torch import Generator, Tensor

from rayfield.core.types import Rays, Rendered
from rayfield.render import samplers, volume
from rayfield.render.space import Space

BLOCK = 1 << 15  # samples rendered at a time


class Field(NamedTuple):
    """What is asked of a field, for one set of rays: density of points, colour of features."""

    density: volume.DensityFn
    color: volume.ColorFn


class Traced(NamedTuple):
    """The cells that a field was asked about, and what it showed."""

    cells: volume.Cells
    seen: volume.Volume


def trace(
    fields: Sequence[Field],
    space: Space,
    rays: Rays,
    *,
    samples: tuple[int, int],
    background: Float[Tensor, "#R 3"],
    generator: Generator | None = None,
) -> list[Traced]:
    """What each field shows along rays that the space sees.

    `samples`: places for the first field, and how many more each further one draws from the
    weights before it. Places are perturbed with a generator. In NDC depths are the parameter t'.
    """
    entered = space.enter(rays)
    found: list[Traced] = []
    for field in fields:
        if found:
            cells, seen = found[-1]
            t = samplers.fine(cells.edges[:, :-1], seen.weights, samples[1], generator=generator)
        else:
            t = space.places(entered, samples[0], generator=generator)
        cells = space.cells(entered, t)
        seen = volume.render(field.density, field.color, cells, background=background)
        found.append(Traced(cells, seen))
    return found


def render(
    tracer: Callable[[Rays], list[Traced]],
    space: Space,
    rays: Rays,
    *,
    background: Float[Tensor, " 3"],
    samples: int,
) -> Rendered:
    """What any number of rays see, in blocks; `samples` is what a ray costs. No gradient."""
    n = len(rays.near)
    zero = rays.near.new_zeros(n)
    out = Rendered(background.expand(n, 3).clone(), zero, zero.clone(), zero.long())
    for block in space.sees(rays).nonzero()[:, 0].split(max(1, BLOCK // samples)):
        part = Rays(*(x[block] for x in rays))
        seen = tracer(part)[-1].seen
        out.color[block], out.opacity[block] = seen.color, seen.opacity
        out.depth[block] = space.distance(seen.depth, part) * (seen.opacity > 0)
        out.samples[block] = samples
    return out
