"""A ball to learn from photos, for all methods that learn surfaces from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from rayfield.core.types import RayBatch, Rays
from rayfield.math.rays import ray_box, ray_sphere
from rayfield.train.optim import Adam

RADIUS = 0.5


@pytest.fixture(scope="session")
def photo_of_a_ball() -> Callable[[int, int], RayBatch]:
    """photo(n, seed): rays from around; the ball has the colours of its normals, and alpha."""
    return _photo


@pytest.fixture(scope="session")
def find_a_ball() -> Callable[[Any, Any], None]:
    """find(method, cfg): train, and assert that the ball is found, with colours, opacity, views."""
    return _find


def _photo(n: int, seed: int) -> RayBatch:
    generator = torch.Generator().manual_seed(seed)
    origins = 3 * normalize(torch.randn(n, 3, generator=generator))
    target = 0.8 * normalize(torch.randn(n, 3, generator=generator))
    directions = normalize(target - origins)
    near, far = ray_box(origins, directions)
    rays = Rays(origins, directions, near, far, torch.zeros(n, dtype=torch.long))
    first, last = ray_sphere(origins, directions, radius=RADIUS)
    normals = (origins + first[:, None] * directions) / RADIUS
    hit = (last > first).float()[:, None]
    return RayBatch(rays, torch.cat([hit * (0.5 + 0.4 * normals), hit], -1))


def _find(method: Any, cfg: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    model = method.build(cfg, generator=generator)
    optimiser = Adam(method.param_groups(model, cfg))
    for step in range(cfg.steps):
        batch = _photo(method.batch_size(model, cfg), step)
        terms = method.loss(model, batch, cfg, step, generator=generator)
        assert {"color", "mask", "eikonal", "bending"} == set(terms)
        sum(terms.values()).backward()
        optimiser.step(method.lr_factor(cfg, step, step / cfg.steps))
    normals = normalize(torch.randn(2000, 3, generator=generator))
    f = method.surface(model)
    assert f(RADIUS * normals).abs().mean() < 0.012
    assert (f((RADIUS - 0.08) * normals) < 0).all()
    assert (f((RADIUS + 0.08) * normals) > 0).all()
    with torch.no_grad():
        color = method.color(model)(RADIUS * normals, -normals)
        batch = _photo(1000, 10_000)
        out = method.render(model, batch.rays, cfg, background=torch.zeros(3))
    assert (color - 0.5 - 0.4 * normals).abs().mean() < 0.05
    assert (out.opacity - batch.rgba[:, 3]).abs().mean() < 0.03
    assert (out.color - batch.rgba[:, :3]).abs().mean() < 0.04
