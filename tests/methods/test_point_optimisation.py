from __future__ import annotations

import numpy as np
import pytest
import torch

from rayfield.core.check import UsageError
from rayfield.core.types import RayBatch, Rays, SceneTraits
from rayfield.data.points import CloudTraits, PointBatch
from rayfield.math.rays import ray_box, ray_sphere
from rayfield.methods import point_optimisation as method
from rayfield.objectives.chamfer import chamfer
from rayfield.train.optim import Adam

OBJECT = SceneTraits(bounded=True, alpha=True, images=3, near=0.05)
CFG = method.Config(points=400, radius=0.06, rays=512, rate=0.01, respawn=20, steps=100)
CENTRE = torch.tensor([0.15, -0.1, 0.05])


def ball_batch(generator: torch.Generator, rays: int = 512, eyes: int = 4) -> RayBatch:
    """A red ball of radius 0.5, off the middle, seen from random directions."""
    eye = torch.nn.functional.normalize(torch.randn(eyes, 3, generator=generator)) * 3
    origins = eye.repeat_interleave(rays // eyes, 0)
    target = (torch.rand(rays, 3, generator=generator) - 0.5) * 2
    directions = torch.nn.functional.normalize(target - origins)
    near, far = ray_sphere(origins - CENTRE, directions, radius=0.5)
    rgba = torch.tensor([0.9, 0.2, 0.1, 1.0]) * (far > near)[:, None]
    near, far = ray_box(origins, directions)
    return RayBatch(Rays(origins, directions, near, far, torch.zeros(rays).long()), rgba)


def sphere_points(generator: torch.Generator, n: int = 2000) -> PointBatch:
    normals = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator))
    return PointBatch(CENTRE + 0.5 * normals, normals, torch.zeros(n), True, lambda x: x[:, 0])


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
    return model


def test_points_become_the_ball_of_the_photos():
    model = fitted(CFG, ball_batch, 100)
    batch = ball_batch(torch.Generator().manual_seed(7), 2000)
    with torch.no_grad():
        out = method.render(model, batch.rays, CFG, background=torch.zeros(3))
    found, true = out.opacity > 0.5, batch.rgba[:, 3] > 0.5
    assert (found & true).sum() / (found | true).sum() > 0.93
    cloud, colors = method.cloud(model)
    length = np.linalg.norm(cloud.points - CENTRE.numpy(), axis=1)
    assert (length < 0.6).mean() > 0.95
    assert colors.float().mean(0).argmax() == 0


def test_set_fitting_lowers_the_chamfer_distance_twentyfold():
    generator = torch.Generator().manual_seed(3)
    target = sphere_points(generator)
    before = method.build(CFG, generator=torch.Generator().manual_seed(0))
    after = fitted(CFG, lambda g: target, 200)
    start, end = (float(chamfer(x.places.detach(), target.points)) for x in (before, after))
    assert end < start / 20


def test_what_cannot_be_fitted_is_refused_and_all_else_taken_as_it_is():
    with pytest.raises(UsageError, match="alpha"):
        method.adapt(CFG, OBJECT._replace(bounded=False, alpha=False))
    assert method.adapt(CFG, OBJECT) == method.adapt(CFG, CloudTraits(9, False)) == CFG
