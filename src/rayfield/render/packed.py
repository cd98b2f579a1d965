"""Volume rendering of evenly spaced samples; a field is asked for those in occupied cells alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rayfield.core.types import Rays, Rendered, Samples
from rayfield.math import packed

BLOCK = 4096  # rays rendered at a time
LONGEST = 2 * math.sqrt(3)  # of a ray in the cube [-1, 1]^3

# points -> density (1 / length), RGB
FieldFn = Callable[[Float[Tensor, "S 3"]], tuple[Float[Tensor, " S"], Float[Tensor, "S 3"]]]
MaskFn = Callable[[Float[Tensor, "S 3"]], Bool[Tensor, " S"]]


@torch.no_grad()
def march(
    rays: Rays, step: float, occupied: MaskFn, *, jitter: Float[Tensor, " R"] | None = None
) -> Samples:
    """Intervals of length `step` from `near` to `far` whose middles are in occupied places.

    Each ray starts `jitter` in [0, 1) of a step (None: 0) before `near`, so that intervals cover it
    wherever they begin. Rays lie in the cube [-1, 1]^3.
    """
    shift = torch.zeros_like(rays.near) if jitter is None else jitter
    count = ((rays.far - rays.near) / step + shift).ceil().long().clamp(0, int(LONGEST / step) + 2)
    ray = torch.repeat_interleave(count)
    nth = torch.arange(len(ray)) - (count.cumsum(0) - count)[ray]
    start = rays.near[ray] + (nth - shift[ray]) * step
    middle = start + 0.5 * step
    points = rays.origins[ray] + middle[:, None] * rays.directions[ray]
    inside = (middle > rays.near[ray]) & (middle < rays.far[ray])
    kept = (inside & occupied(points)).nonzero()[:, 0]
    ray, start = ray[kept], start[kept]
    count = torch.bincount(ray, minlength=len(rays.near))
    return Samples(start, start + step, ray, count.cumsum(0) - count, count)


def render(
    field: FieldFn, rays: Rays, samples: Samples, *, background: Float[Tensor, "R 3"]
) -> Rendered:
    """Colour over the background, opacity and depth of rays, by `math/packed.py`."""
    ray, n = samples.ray, len(rays.near)
    middle = 0.5 * (samples.start + samples.end)
    points = rays.origins[ray] + middle[:, None] * rays.directions[ray]
    sigma, rgb = field(points)
    w = packed.weights(sigma, samples.end - samples.start, ray)
    color = packed.composite(w, rgb, ray, background=background)
    depth = packed.expected_depth(w, middle, ray, n_rays=n)
    return Rendered(color, packed.ray_sum(w, ray, n_rays=n), depth, samples.count)


def render_all(
    field: FieldFn, rays: Rays, *, stride: float, occupied: MaskFn, background: Float[Tensor, " 3"]
) -> Rendered:
    """What any number of rays see, a block of them at a time, from samples `stride` apart."""
    parts = []
    for first in range(0, len(rays.near) or 1, BLOCK):
        part = Rays(*(x[first : first + BLOCK] for x in rays))
        behind = background.expand(len(part.near), 3)
        samples = march(part, stride, occupied)
        parts.append(render(field, part, samples, background=behind)[:4])
    return Rendered(*(torch.cat(column) for column in zip(*parts, strict=True)))
