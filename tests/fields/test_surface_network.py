from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from rayfield.fields.surface_network import SurfaceNetwork
from rayfield.math.fourier import positional_encoding


def made(*, layers: int = 4, width: int = 64) -> SurfaceNetwork:
    generator = torch.Generator().manual_seed(0)
    return SurfaceNetwork(width, layers, 2, radius=0.3, generator=generator)


def some(n: int = 100) -> torch.Tensor:
    return torch.rand(n, 3, generator=torch.Generator().manual_seed(1))


def test_it_starts_as_a_sphere():
    field = SurfaceNetwork(256, 8, 2, radius=0.3, generator=torch.Generator().manual_seed(0))
    away = normalize(some() - 0.5)
    assert field.distance(0.5 + 0.12 * away).mean() < 0
    assert field.distance(0.5 + 0.48 * away).mean() > 0
    found = field(0.5 + 0.4 * away)
    assert (found.gradient * away).sum(-1).mean() > 0.7


@pytest.mark.parametrize("seed", range(6))
def test_whatever_the_seed_the_first_sphere_is_as_large_as_asked(seed):
    """The published start alone gives radii from 0.36 to 0.65 where 0.5 is asked for."""
    generator = torch.Generator().manual_seed(seed)
    field = SurfaceNetwork(128, 4, 2, radius=0.25, generator=generator)
    away = normalize(torch.randn(500, 3, generator=generator))
    assert field.distance(0.5 + 0.25 * away).mean().abs() < 0.005
    radii = torch.linspace(0.02, 0.5, 97)
    value = field.distance((0.5 + radii[:, None, None] * away).flatten(0, 1)).view(97, 500)
    first = radii[(value > 0).int().argmax(0)]
    assert 0.22 < first.mean() < 0.28


@pytest.mark.parametrize("layers", [2, 5])
def test_gradient_and_code_are_those_of_automatic_differentiation(layers):
    """Values, and the derivatives by all weights of a loss of value, gradient and code."""
    answers, points = [], some()
    for readable in (False, True):
        field = made(layers=layers)
        for layer in field.geometry.layers:  # waves that matter
            layer.weight = layer.weight.detach() + 0.02
        if readable:
            x = ((points - 0.5) * 2).requires_grad_()
            h = encoded = positional_encoding(x, 6)
            *hidden, last = field.geometry.layers
            for index, layer in enumerate(hidden):
                if index in field.geometry.skips:
                    h = torch.cat([h, encoded], 1) / 2**0.5
                h = torch.nn.functional.softplus(layer(h), 100)
            value = last(h)[:, 0]
            (gradient,) = torch.autograd.grad(value.sum(), x, create_graph=True)
            value, code = value / 2, field.code(h)
        else:
            found = field(points)
            value, gradient, code = found.value, found.gradient, found.features[:, :-3]
            torch.testing.assert_close(found.features[:, -3:], (points - 0.5) * 2)
            torch.testing.assert_close(field.distance(points), value.detach())
        loss = (
            value.square().mean() + (gradient.norm(dim=1) - 1).square().mean() + code.sin().mean()
        )
        loss.backward()
        grads = [p.grad for p in field.parameters() if p.grad is not None]
        answers.append([value.detach(), gradient.detach(), code.detach(), *grads])
    assert len(answers[0]) == len(answers[1]) > 8
    for ours, theirs in zip(*answers, strict=True):
        scale = theirs.abs().max().clamp_min(1e-6)
        torch.testing.assert_close(ours / scale, theirs / scale, rtol=1e-3, atol=1e-3)


def test_colour_depends_on_point_direction_normal_and_code():
    field, points = made(), some()
    along = normalize(points - 0.3)
    found = field(points)
    color = field.color(found, along)
    assert color.shape == (100, 3)
    assert ((color > 0) & (color < 1)).all()
    moved = found.features.clone()
    moved[:, -3:] += 0.5
    others = (
        (found, -along),
        (found._replace(gradient=-found.gradient), along),
        (found._replace(features=moved), along),
        (found._replace(features=2 * found.features), along),
    )
    assert all((field.color(*other) - color).abs().max() > 1e-3 for other in others)


@pytest.mark.parametrize("sizes", [(39, 4, 2), (64, 0, 2), (64, 4, 0)])
def test_sizes_that_make_no_network_are_refused(sizes):
    with pytest.raises(ValueError, match="width more than 39"):
        SurfaceNetwork(*sizes, radius=0.3)


def test_published_sizes():
    """8 x 256 units with 39 inputs and a code of 256, and 4 x 256 for colour."""
    field = SurfaceNetwork(256, 8, 4, radius=0.25, generator=torch.Generator().manual_seed(0))
    assert field.geometry.layers[0].weight.shape == (256, 39)
    assert field.geometry.layers[4].weight.shape == (256, 256)
    assert field.geometry.layers[3].weight.shape == (256 - 39, 256)
    assert [tuple(layer.weight.shape) for layer in field.color_layers] == [
        (256, 289), (256, 256), (256, 256), (256, 256), (3, 256)
    ]  # fmt: skip
