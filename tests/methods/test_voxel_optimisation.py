from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rayfield.core.check import UsageError
from rayfield.core.types import RayBatch, Rays, SceneTraits
from rayfield.data.points import CloudTraits, PointBatch
from rayfield.math.rays import ray_box, ray_sphere
from rayfield.methods import voxel_optimisation as method
from rayfield.train.optim import Adam

OBJECT = SceneTraits(bounded=True, alpha=True, images=3, near=0.05)
CFG = method.Config(cells=8, doublings=1, doubling=40, rays=512, first_look=20, variation=1e-5)
CENTRE = torch.tensor([0.15, -0.1, 0.05])


def ball_batch(generator: torch.Generator, rays: int = 512) -> RayBatch:
    """An opaque red ball of radius 0.5, off the middle, seen from random directions."""
    origins = torch.nn.functional.normalize(torch.randn(rays, 3, generator=generator)) * 3
    target = (torch.rand(rays, 3, generator=generator) - 0.5) * 2
    directions = torch.nn.functional.normalize(target - origins)
    near, far = ray_sphere(origins - CENTRE, directions, radius=0.5)
    rgba = torch.tensor([0.9, 0.2, 0.1, 1.0]) * (far > near)[:, None]
    near, far = ray_box(origins, directions)
    return RayBatch(Rays(origins, directions, near, far, torch.zeros(rays).long()), rgba)


def fitted(cfg, batch, steps):
    generator = torch.Generator().manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the steps are small
    model = method.build(cfg, generator=generator)
    optimiser = Adam(method.param_groups(model, cfg))
    for step in range(steps):
        terms = method.loss(model, batch(generator), cfg, step, generator=generator)
        sum(terms.values()).backward()
        optimiser.step(method.lr_factor(cfg, step, step / steps))
    torch.set_num_threads(threads)
    return model, terms


def test_a_lattice_becomes_the_ball_of_the_photos():
    model, _ = fitted(CFG, ball_batch, 120)
    assert model.voxels.side == 16
    batch = ball_batch(torch.Generator().manual_seed(7), 2000)
    with torch.no_grad():
        out = method.render(model, batch.rays, CFG, background=torch.zeros(3))
    found, true = out.opacity > 0.5, batch.rgba[:, 3] > 0.5
    assert (found & true).sum() / (found | true).sum() > 0.93
    torch.testing.assert_close(
        out.color[found & true].mean(0), batch.rgba[true][0, :3], rtol=0, atol=0.15
    )
    sigma = method.density(model)(torch.stack([CENTRE + 0.3, CENTRE + 1.5]))
    assert sigma[1] == 0  # outside the cube
    assert model.occupied.float().mean() < 0.6


def sphere_points(generator: torch.Generator, n: int = 2000) -> PointBatch:
    normals = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator))
    return PointBatch(CENTRE + 0.5 * normals, normals, torch.zeros(n), True, lambda x: x[:, 0])


def test_a_lattice_becomes_the_signed_distance_of_points_on_a_sphere():
    cfg = method.adapt(CFG, CloudTraits(2000, True))
    model, terms = fitted(cfg, sphere_points, 150)
    assert terms["distance"] < 0.02
    generator = torch.Generator().manual_seed(5)
    normals = sphere_points(generator).normals
    for off, bound in ((0.0, 0.02), (0.1, 0.04), (-0.1, 0.04)):
        value = method.surface(model)(CENTRE + (0.5 + off) * normals)
        assert (value - off).abs().mean() < bound


def test_a_lattice_without_doublings_or_with_two_reaches_its_last_stage_in_time():
    for doublings in (0, 1, 2):
        cfg = replace(CFG, cells=4, doublings=doublings, doubling=2)
        model, _ = fitted(cfg, ball_batch, 8)
        assert model.voxels.side == 4 * 2**doublings


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(UsageError, match="transparent background"):
        method.adapt(CFG, OBJECT._replace(bounded=False, alpha=False))
    with pytest.raises(UsageError, match="normals"):
        method.adapt(CFG, CloudTraits(100, False))
