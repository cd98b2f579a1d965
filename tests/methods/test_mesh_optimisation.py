from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rayfield.core.check import UsageError
from rayfield.core.types import RayBatch, Rays, SceneTraits
from rayfield.geometry.icosphere import icosphere
from rayfield.geometry.mesh import components, euler_number
from rayfield.geometry.meshio import write_mesh
from rayfield.math.rays import ray_box, ray_sphere
from rayfield.methods import mesh_optimisation as method
from rayfield.train.optim import Adam

CFG = method.Config(subdivisions=3, stiffness=4.0, rays=1024, shade_rate=0.1, halving=30)
CENTRE = torch.tensor([0.15, -0.1, 0.05])
OBJECT = SceneTraits(bounded=True, alpha=True, images=3, near=0.05)


def ball_batch(generator: torch.Generator, rays: int = 1024, eyes: int = 4) -> RayBatch:
    """A red ball of radius 0.5, off the middle, seen from random directions."""
    eye = torch.nn.functional.normalize(torch.randn(eyes, 3, generator=generator)) * 3
    origins = eye.repeat_interleave(rays // eyes, 0)
    target = (torch.rand(rays, 3, generator=generator) - 0.5) * 2
    directions = torch.nn.functional.normalize(target - origins)
    near, far = ray_sphere(origins - CENTRE, directions, radius=0.5)
    rgba = torch.tensor([0.9, 0.2, 0.1, 1.0]) * (far > near)[:, None]
    near, far = ray_box(origins, directions)
    return RayBatch(Rays(origins, directions, near, far, torch.zeros(rays).long()), rgba)


@pytest.fixture(scope="module")
def fitted():
    """A mesh after some steps towards the ball, on one thread: the steps are small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    model = method.build(CFG, generator=generator)
    optimiser = Adam(method.param_groups(model, CFG))
    for step in range(80):
        terms = method.loss(model, ball_batch(generator), CFG, step, generator=generator)
        sum(terms.values()).backward()
        optimiser.step(method.lr_factor(CFG, step, step / 80))
    torch.set_num_threads(threads)
    return model


def test_a_sphere_becomes_the_ball_of_the_photos(fitted):
    vertices = method.mesh(fitted).vertices
    radius = np.linalg.norm(vertices - CENTRE.numpy(), axis=1)
    assert abs(radius.mean() - 0.5) < 0.02
    assert radius.std() < 0.03
    batch = ball_batch(torch.Generator().manual_seed(7))
    with torch.no_grad():
        out = method.render(fitted, batch.rays, CFG, background=torch.zeros(3))
    found, true = out.opacity > 0.5, batch.rgba[:, 3] > 0.5
    assert (found & true).sum() / (found | true).sum() > 0.95
    colors = fitted.colors().mean(0)
    torch.testing.assert_close(colors, batch.rgba[true][0, :3], rtol=0, atol=0.15)


def test_f4_optimisation_changes_neither_faces_nor_euler_number_nor_components(fitted):
    start, end = icosphere(3), method.mesh(fitted)
    np.testing.assert_array_equal(end.faces, start.faces)
    assert euler_number(end) == euler_number(start) == 2
    assert components(end).max() == 0


def test_it_starts_from_a_given_mesh(tmp_path, generator):
    mesh = icosphere(1, radius=0.3)
    write_mesh(tmp_path / "start.ply", mesh)
    cfg = replace(CFG, start=str(tmp_path / "start.ply"))
    found = method.mesh(method.build(cfg, generator=generator))
    np.testing.assert_allclose(found.vertices, mesh.vertices, atol=1e-6)


def test_photos_without_alpha_are_refused():
    with pytest.raises(UsageError, match="transparent background"):
        method.adapt(CFG, OBJECT._replace(bounded=False, alpha=False))


def test_softness_shrinks_to_its_last_value(generator):
    """The loss of late steps is that of pictures drawn as `render` draws them."""
    model, batch = method.build(CFG, generator=generator), ball_batch(generator)
    late = [
        method.loss(model, batch, CFG, step, generator=generator)["silhouette"].item()
        for step in (1000, 5000)
    ]
    assert late[0] == late[1]
    early = method.loss(model, batch, CFG, 0, generator=generator)["silhouette"].item()
    assert early != late[0]
