"""What is behind a subject's ball: a radiance field of its own in contracted space.

NeuS and VolSDF have NeRF++'s there (Zhang et al. 2020, arXiv:2010.07492).
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from rayfield.core.types import Rays, Rendered
from rayfield.fields.radiance import RadianceField
from rayfield.math.rays import ray_sphere
from rayfield.render import occupancy, radiance

MOST = 1 << 14  # rays at a time, in training
MARCHING = radiance.Marching(1 / 64, 1 / 32, most=128, cutoff=1e-3, capacity=128 * MOST)


def seen(
    field: RadianceField,
    grid: occupancy.OccupancyGrid,
    rays: Rays,
    *,
    ball: float,
    jitter: Tensor | None,
) -> Rendered:
    """What rays see behind the ball of that radius, over black."""
    _, last = ray_sphere(rays.origins, rays.directions, radius=ball)
    rays = rays._replace(near=torch.maximum(rays.near, last))
    if torch.is_grad_enabled():
        return radiance.render(field, grid, rays, marching=MARCHING, jitter=jitter, observe=True)
    return radiance.render_all(field, grid, rays, marching=MARCHING)


def refresh(
    field: RadianceField, grid: occupancy.OccupancyGrid, step: int, *, generator: Generator
) -> None:
    """Know where to look: call it before every step."""
    occupancy.refresh(
        grid, lambda unit: radiance.density(field, unit), step, generator=generator,
        first_look=100, decay=0.95, bar=occupancy.Bar(MARCHING.step, 0.03),
    )  # fmt: skip
