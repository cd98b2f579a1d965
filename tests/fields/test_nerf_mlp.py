"""The network of NeRF: its size, its start, and its two ways through the trunk."""

from __future__ import annotations

import math

import pytest
import torch

from rayfield.fields import nerf_mlp
from rayfield.fields.nerf_mlp import NerfMLP
from rayfield.math.fourier import positional_encoding


def network(generator, **sizes):
    small = {"width": 24, "depth": 6, "skip": 2, "bands": 3, "direction_bands": 2}
    return NerfMLP(**{**small, **sizes}, generator=generator)


def points_and_views(generator, n=40, rays=7):
    points = torch.rand(n, 3, generator=generator) * 2 - 1
    directions = torch.nn.functional.normalize(torch.randn(rays, 3, generator=generator))
    return points, directions, torch.randint(rays, (n,), generator=generator)


def test_the_papers_network_has_595844_parameters(generator):
    assert sum(p.numel() for p in NerfMLP(generator=generator).parameters()) == 595_844


def test_the_papers_layers_have_the_released_shapes(generator):
    net = NerfMLP(generator=generator)
    shapes = [tuple(layer.weight.shape[::-1]) for layer in net.trunk]
    assert shapes == [(63, 256), *[(256, 256)] * 4, (319, 256), *[(256, 256)] * 2]
    assert net.density_head.weight.shape == (1, 256)
    branch = (net.bottleneck, net.view_layer, net.color_head)
    assert [tuple(x.weight.shape[::-1]) for x in branch] == [(256, 256), (283, 128), (128, 3)]


def test_weights_start_glorot_uniform_and_biases_at_zero(generator):
    for layer in NerfMLP(generator=generator).modules():
        if isinstance(layer, torch.nn.Linear):
            bound = math.sqrt(6 / sum(layer.weight.shape))
            assert (layer.bias == 0).all()
            assert layer.weight.abs().max() <= bound
            assert layer.weight.abs().max() > 0.9 * bound
            spread = layer.weight.std().item() / (bound / math.sqrt(3))
            assert spread == pytest.approx(1, abs=0.15)


def test_colour_equals_the_branch_on_features_and_encoded_direction_joined(generator):
    net = network(generator)
    points, directions, ray = points_and_views(generator)
    _, features = net.geometry(points)
    bottleneck, hidden, last = net.bottleneck, net.view_layer, net.color_head
    joined = torch.cat([bottleneck(features), positional_encoding(directions[ray], 2)], dim=-1)
    wanted = torch.sigmoid(last(torch.relu(hidden(joined))))
    torch.testing.assert_close(net.color(features, ray, directions=directions), wanted)


def test_direction_changes_colour_but_never_density(generator):
    net = network(generator)
    points, directions, ray = points_and_views(generator)
    _, features = net.geometry(points)
    one, other = (net.color(features, ray, directions=d) for d in (directions, -directions))
    assert not torch.allclose(one, other, atol=1e-4)
    assert torch.equal(net.geometry(points)[0], net.geometry(points)[0])


def test_without_views_colour_is_one_linear_layer_whatever_the_direction(generator):
    net = network(generator, views=False)
    points, directions, ray = points_and_views(generator)
    _, features = net.geometry(points)
    one, other = (net.color(features, ray, directions=d) for d in (directions, -directions))
    assert torch.equal(one, other)
    assert sum(p.numel() for p in NerfMLP(views=False, generator=generator).parameters()) == (
        sum(p.numel() for p in NerfMLP(generator=generator).trunk.parameters()) + 257 + 256 * 3 + 3
    )


def test_without_bands_the_network_sees_the_coordinates_alone(generator):
    net = network(generator, bands=0, direction_bands=0)
    assert net.trunk[0].weight.shape == (24, 3)
    assert net.view_layer.weight.shape == (12, 27)


@pytest.mark.parametrize("sizes", [{}, {"skip": 9}, {"depth": 3, "skip": 2}, {"skip": 0}])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_live_has_the_values_and_gradients_of_its_twin(sizes, noise, generator, monkeypatch):
    """Blocks of 16 points, so that several are joined."""
    monkeypatch.setattr(nerf_mlp, "BLOCK", 16)
    net = network(generator, **sizes).double()
    points, directions, ray = points_and_views(generator)
    points, directions = points.double(), directions.double()
    source = torch.Generator().manual_seed(3)
    shift = torch.randn(len(points), generator=source).double() * noise
    weight = torch.rand(len(points), 4, generator=generator).double()

    def gradients(sigma, index, features):
        net.zero_grad()
        rgb = net.color(features, ray[index], directions=directions)
        loss = (sigma * weight[:, 0]).sum() + (sigma[index, None] * rgb * weight[index, 1:]).sum()
        loss.backward()
        return [p.grad.clone() for p in net.parameters()]

    with torch.no_grad():  # half of the points have density
        net.density_head.bias -= net.geometry(points)[0].median()
    raw, features = net.geometry(points)
    sigma = torch.relu(raw + shift)
    index = sigma.nonzero()[:, 0]
    assert 0 < len(index) < len(points)
    found = net.live(points, noise=noise, generator=source.manual_seed(3))
    torch.testing.assert_close(found.sigma, sigma)
    assert torch.equal(found.rows, index)
    torch.testing.assert_close(found.features, features[index])
    wanted = gradients(sigma, index, features[index])
    got = gradients(*net.live(points, noise=noise, generator=source.manual_seed(3)))
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("n", [0, 5])
def test_points_without_density_give_zero_gradients(n, generator):
    net = network(generator)
    with torch.no_grad():
        net.density_head.bias.fill_(-100.0)
    sigma, index, features = net.live(torch.rand(n, 3, generator=generator))
    assert sigma.shape == (n,)
    assert len(index) == 0
    (sigma.sum() + features.sum()).backward()
    assert all((p.grad == 0).all() for p in net.trunk.parameters())
