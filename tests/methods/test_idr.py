"""IDR finds a ball from photos and masks, and asks for the masks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

from rayfield.core.check import UsageError
from rayfield.core.types import RayBatch, Rays, SceneTraits
from rayfield.math.rays import ray_box, ray_sphere
from rayfield.methods import idr
from rayfield.train.optim import Adam

RADIUS = 0.5
OBJECT = SceneTraits(bounded=True, alpha=True, images=3, near=0.05)
SMALL = {"steps": 150, "levels": 4, "entries": 1 << 12, "finest": 64, "width": 32, "rays": 512}


def photo_of_a_ball(n: int, seed: int) -> RayBatch:
    """Rays from around; the ball has the colours of its normals, and alpha."""
    generator = torch.Generator().manual_seed(seed)
    origins = 3 * normalize(torch.randn(n, 3, generator=generator))
    target = 0.9 * normalize(torch.randn(n, 3, generator=generator))
    directions = normalize(target - origins)
    near, far = ray_box(origins, directions)
    rays = Rays(origins, directions, near, far, torch.zeros(n, dtype=torch.long))
    first, last = ray_sphere(origins, directions, radius=RADIUS)
    hit = (last > first).float()[:, None]
    normals = (origins + first[:, None] * directions) / RADIUS
    return RayBatch(rays, torch.cat([hit * (0.5 + 0.4 * normals), hit], -1))


@pytest.mark.parametrize("radius", [0.8, 0.3])
def test_a_ball_is_found_from_a_larger_and_from_a_smaller_one(radius, generator):
    """Masks alone shrink what is seen beside the subject, and grow what is not seen of it."""
    cfg = idr.adapt(replace(idr.Config(), radius=radius, **SMALL), OBJECT)
    model = idr.build(cfg, generator=generator)
    optimiser = Adam(idr.param_groups(model, cfg))
    for step in range(cfg.steps):
        batch = photo_of_a_ball(idr.batch_size(model, cfg), step)
        terms = idr.loss(model, batch, cfg, step, generator=generator)
        assert {"color", "mask", "eikonal", "bending"} == set(terms)
        sum(terms.values()).backward()
        optimiser.step(idr.lr_factor(cfg, step, step / cfg.steps))
    normals = normalize(torch.randn(2000, 3, generator=generator))
    f = idr.surface(model)
    assert f(RADIUS * normals).abs().mean() < 0.012
    assert (f((RADIUS - 0.08) * normals) < 0).all()
    assert (f((RADIUS + 0.08) * normals) > 0).all()
    with torch.no_grad():
        color = idr.color(model)(RADIUS * normals, -normals)
    assert (color - 0.5 - 0.4 * normals).abs().mean() < 0.05
    batch = photo_of_a_ball(1000, 10_000)
    out = idr.render(model, batch.rays, cfg, background=torch.zeros(3))
    assert (out.opacity - batch.rgba[:, 3]).abs().mean() < 0.03
    assert (out.color - batch.rgba[:, :3]).abs().mean() < 0.04


def test_rays_beside_the_cube_teach_nothing(generator):
    """There is no field where they are; with nothing but such rays training goes on."""
    cfg = idr.adapt(replace(idr.Config(), **SMALL), OBJECT)
    model = idr.build(cfg, generator=generator)
    batch = photo_of_a_ball(64, 0)
    beside = Rays(*batch.rays)._replace(origins=batch.rays.origins * 5)
    beside = beside._replace(near=torch.zeros(64), far=torch.zeros(64))
    both = Rays(*(torch.cat([a, b]) for a, b in zip(batch.rays, beside, strict=True)))
    mixed = RayBatch(both, torch.cat([batch.rgba, batch.rgba * 0]))
    alone = idr.loss(model, batch, cfg, 0, generator=torch.Generator().manual_seed(1))
    found = idr.loss(model, mixed, cfg, 0, generator=torch.Generator().manual_seed(1))
    for name in ("color", "mask"):
        assert found[name].item() == pytest.approx(alone[name].item() / 2, rel=1e-5)
    assert found["eikonal"].item() == pytest.approx(alone["eikonal"].item(), rel=1e-5)
    nothing = idr.loss(model, RayBatch(beside, batch.rgba), cfg, 0, generator=generator)
    assert all(torch.isfinite(term) for term in nothing.values())


def test_photos_without_masks_are_refused():
    with pytest.raises(UsageError, match="idr needs photos with alpha or masks"):
        idr.adapt(idr.Config(), OBJECT._replace(bounded=False, alpha=False))
