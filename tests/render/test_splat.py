from __future__ import annotations

import pytest
import torch

from rayfield.core.types import Rays
from rayfield.math.rays import pixel_grid
from rayfield.render import splat
from rayfield.render.screen import project, screens


def camera(side: int = 24) -> Rays:
    at = 2.4 * pixel_grid(side, side, dtype=torch.float32) / side - 1.2
    directions = torch.cat([at, torch.full((len(at), 1), 3.0)], dim=1)
    directions = torch.nn.functional.normalize(directions)
    origins = torch.tensor([0.0, 0.0, -3.0]).expand(len(at), 3)
    zero = torch.zeros(len(at))
    return Rays(origins, directions, zero, zero + 6, torch.full((len(at),), -1))


def drawn(inputs, rays, background):
    places, radii, opacities, colors = inputs
    return splat.render(places, radii, opacities, colors=colors, rays=rays, background=background)


def some_points(n, generator):
    places = torch.rand(n, 3, generator=generator) * 1.4 - 0.7
    radii = 0.05 + 0.2 * torch.rand(n, generator=generator)
    return places, radii, torch.rand(n, generator=generator), torch.rand(n, 3, generator=generator)


def readable(places, radii, opacities, colors, rays, background):
    """The twin: every point on every pixel, composited in a loop from front to back."""
    seen = screens(rays)
    at, depth = project(seen, places)
    size = seen.distance[0] / depth[0] * radii
    light = torch.ones(len(seen.at))
    color = torch.zeros(len(seen.at), 3)
    for k in depth[0].argsort().tolist():
        square = (seen.at - at[0, k]).square().sum(1) / size[k] ** 2
        alpha = opacities[k] * torch.exp(-0.5 * square) * (square <= splat.REACH**2)
        color = color + (light * alpha)[:, None] * colors[k]
        light = light * (1 - alpha)
    return color + light[:, None] * background, 1 - light


def test_values_and_gradients_are_those_of_the_readable_twin(generator):
    inputs = [x.requires_grad_() for x in some_points(30, generator)]
    rays, background = camera(), torch.tensor([[0.2, 0.5, 0.9]])
    out = drawn(inputs, rays, background)
    color, opacity = readable(*inputs, rays, background)
    torch.testing.assert_close(out.color, color, rtol=0, atol=1e-5)
    torch.testing.assert_close(out.opacity, opacity, rtol=0, atol=1e-5)
    mix = torch.randn(len(color), 3, generator=generator)
    ours, theirs = (torch.autograd.grad((mix * x).sum(), inputs) for x in (out.color, color))
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


def silhouette(inputs):
    return drawn(inputs, camera(), torch.zeros(1, 3)).opacity


def test_f13_silhouettes_are_in_range_and_monotone_in_opacity(generator):
    places, radii, opacities, colors = some_points(60, generator)
    before = silhouette((places, radii, opacities, colors))
    assert before.min() >= 0
    assert before.max() <= 1
    opacities[::3] = opacities[::3] + 0.5 * (1 - opacities[::3])
    assert (silhouette((places, radii, opacities, colors)) >= before - 1e-6).all()


def test_f13_pictures_do_not_depend_on_the_order_of_points(generator):
    inputs = some_points(60, generator)
    order = torch.randperm(60, generator=generator)
    a, b = (
        drawn(x, camera(), torch.zeros(1, 3)).color for x in (inputs, [x[order] for x in inputs])
    )
    torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_the_nearer_point_hides_the_farther():
    places = torch.tensor([[0.0, 0.0, 0.5], [0.0, 0.0, -0.5]])
    colors = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])
    inputs = (places, torch.full((2,), 0.3), torch.full((2,), 0.999), colors)
    out = drawn(inputs, camera(25), torch.zeros(1, 3))
    middle = 12 * 25 + 12
    assert out.color[middle, 1] > 0.99
    assert abs(out.depth[middle] - 2.5) < 0.02


@pytest.mark.parametrize("ahead", [-4.0, -3.0])
def test_points_behind_the_eye_are_not_seen(ahead):
    out = silhouette(
        (torch.tensor([[0.0, 0, ahead]]), *(torch.full(s, 0.5) for s in ((1,), (1,), (1, 3))))
    )
    assert not out.any()
