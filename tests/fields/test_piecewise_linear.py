"""ReLU networks that are computed from a min-max of affine forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from rayfield.fields.piecewise_linear import PiecewiseLinear, network_of
from rayfield.math.min_max import MinMax, evaluate


def forms_of(n, generator, dimensions=3):
    return torch.randn(n, dimensions + 1, generator=generator, dtype=torch.float64)


def points_of(n, generator, dimensions=3):
    return torch.randn(n, dimensions, generator=generator, dtype=torch.float64)


def hidden(network):
    return [layer.size[0] for layer in network.layers[:-1]]


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 8, 20, 33])
def test_the_maximum_of_forms_has_its_depth_and_no_more_units_than_the_theorem_says(m, generator):
    """C10."""
    forms = forms_of(m, generator)
    network = network_of(MinMax(forms, (tuple(range(m)),)))
    points = points_of(5000, generator)
    direct = (points @ forms[:, :3].T + forms[:, 3]).amax(dim=1)
    assert float((network(points) - direct).detach().abs().max()) < 1e-12
    depth = math.ceil(math.log2(m))
    assert len(hidden(network)) == depth
    power = m == 2**depth
    assert sum(hidden(network)) <= 3 * (m - 1) + (0 if power else 2 * depth)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_any_min_max_is_reproduced(dimensions, generator):
    forms = forms_of(30, generator, dimensions)
    groups = tuple(
        tuple(torch.randperm(30, generator=generator)[:size].tolist())
        for size in (1, 2, 7, 7, 3, 12, 1)
    )
    function = MinMax(forms, groups)
    points = points_of(3000, generator, dimensions)
    found = network_of(function)(points).detach()
    assert float((found - evaluate(function, points)).abs().max()) < 1e-12


def test_small_groups_do_not_wait_for_large_ones(generator):
    forms = forms_of(9, generator)
    network = network_of(MinMax(forms, (tuple(range(8)), (8,), (0, 1), (2,))))
    assert len(hidden(network)) == 4  # three rounds for eight forms, one more against the rest


def test_it_is_a_perceptron_of_linear_layers_and_relu(generator):
    forms = forms_of(12, generator)
    network = network_of(MinMax(forms, ((0, 1, 2, 3, 4), (5, 6), (7, 8, 9, 10, 11))))
    dense = network.dense()
    assert [type(layer) for layer in dense] == [nn.Linear, nn.ReLU] * (len(dense) // 2) + [
        nn.Linear
    ]
    points = points_of(1000, generator)
    with torch.no_grad():
        assert float((dense(points)[:, 0] - network(points)).abs().max()) < 1e-13
    stored = sum(int((layer.weight != 0).sum()) for layer in dense if isinstance(layer, nn.Linear))
    assert stored == sum(len(layer.weight) for layer in network.layers)


def test_gradients_are_those_of_the_dense_twin(generator):
    forms = forms_of(12, generator)
    network = network_of(MinMax(forms, ((0, 1, 2, 3, 4), (5, 6), (7, 8, 9, 10, 11))))
    dense = network.dense()
    points = points_of(200, generator)
    found, wanted = (
        torch.autograd.grad(net(x).sum(), x)[0]
        for net, x in ((f, points.clone().requires_grad_()) for f in (network, dense))
    )
    assert torch.allclose(found, wanted, rtol=0, atol=1e-12)
    slopes = (forms[None, :, :3] - found[:, None]).abs().amax(dim=2).amin(dim=1)
    assert float(slopes.max()) < 1e-12  # each is the slope of one of the forms
    network(points).sum().backward()
    dense(points).sum().backward()
    for layer, twin in zip(network.layers, dense[::2], strict=True):
        assert torch.allclose(layer.weight.grad, twin.weight.grad[*layer.place], atol=1e-9)
        assert torch.allclose(layer.bias.grad, twin.bias.grad, atol=1e-9)


def test_along_a_line_it_bends_only_finitely_often(generator):
    """C14: between bends second differences vanish."""
    forms = forms_of(10, generator)
    network = network_of(MinMax(forms, ((0, 1, 2, 3), (4, 5, 6), (7, 8, 9))))
    t = torch.linspace(-3, 3, 20001, dtype=torch.float64)[:, None]
    start, way = points_of(2, generator)
    with torch.no_grad():
        values = network(start + t * way)
    bends = (values[2:] - 2 * values[1:-1] + values[:-2]).abs() > 1e-9
    runs = int((bends[1:] & ~bends[:-1]).sum() + bends[0])
    assert 1 <= runs <= 10
    assert int(bends.sum()) <= 2 * runs


def test_points_are_answered_alike_alone_and_in_chunks(generator, monkeypatch):
    from rayfield.fields import piecewise_linear

    network = network_of(MinMax(forms_of(9, generator), ((0, 1, 2, 3), (4, 5, 6, 7, 8))))
    points = points_of(100, generator)
    with torch.no_grad():
        whole = network(points)
        monkeypatch.setattr(piecewise_linear, "CHUNK", 50)
        assert torch.equal(network(points), whole)
        assert network(points[:0]).shape == (0,)
        single = network(points.float())
    assert single.dtype == torch.float64
    assert float((single - whole).abs().max()) < 1e-5


def test_a_network_of_the_same_sizes_takes_its_state(generator):
    network = network_of(MinMax(forms_of(9, generator), ((0, 1, 2, 3), (4, 5, 6, 7, 8))))
    units = [3, *hidden(network), 1]
    other = PiecewiseLinear(units, [len(layer.weight) for layer in network.layers])
    other.load_state_dict(network.state_dict())
    points = points_of(50, generator)
    with torch.no_grad():
        assert torch.equal(other(points), network(points))
