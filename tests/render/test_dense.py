from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from rayfield.core.types import Rays
from rayfield.math.rays import ray_sphere
from rayfield.render.dense import (
    SCALE,
    Dense,
    bounded_places,
    cells_of,
    even_places,
    upsampled_places,
)

RADIUS = 0.5


def ball(unit: torch.Tensor) -> torch.Tensor:
    """In the unit cube, of radius 0.5 in [-1, 1]^3."""
    return (unit - 0.5).norm(dim=-1) - RADIUS / SCALE


def some_rays(generator: torch.Generator) -> Rays:
    origins = 2 * normalize(torch.randn(60, 3, generator=generator))
    directions = normalize(0.6 * torch.randn(60, 3, generator=generator) - origins)
    near, far = ray_sphere(origins, directions)
    return Rays(origins, directions, near, far, torch.zeros(60, dtype=torch.long))


@pytest.mark.parametrize(
    ("places", "count"), [(upsampled_places, 127), (bounded_places, 97), (even_places, 127)]
)
@pytest.mark.parametrize("drawn", [False, True])
def test_rays_that_meet_the_ball_are_cut_into_as_many_cells_each(places, count, drawn, generator):
    rays = some_rays(generator)
    cells = cells_of(
        Dense(places, 60), rays, ball, width=0.02, generator=generator if drawn else None
    )
    hit = rays.far > rays.near
    assert 10 < hit.sum() < 60
    assert torch.equal(cells.count, count * hit)
    assert cells.used == 60
    points = rays.origins[cells.ray] + cells.middle[:, None] * rays.directions[cells.ray]
    torch.testing.assert_close(cells.unit, points / SCALE + 0.5)
    for r in hit.nonzero()[:5, 0].tolist():
        mine = cells.ray == r
        middle, length = cells.middle[mine], cells.length[mine]
        assert (length >= 0).all()
        gap = middle.diff() - 0.5 * (length[1:] + length[:-1])
        assert gap.abs().max() < 1e-5  # one after the other
        assert length.sum() == pytest.approx(float(rays.far[r] - rays.near[r]), abs=0.05)


def test_no_ray_that_meets_anything_gives_no_cells(generator):
    rays = some_rays(generator)
    rays = rays._replace(far=rays.near)
    cells = cells_of(Dense(even_places, 60), rays, ball, width=0.02, generator=None)
    assert cells.used == 60
    assert len(cells.ray) == 0
    assert torch.equal(cells.count, torch.zeros(60, dtype=torch.long))
