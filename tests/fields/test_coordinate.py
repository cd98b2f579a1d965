"""Networks on coordinates."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
import torch

from rayfield.fields import coordinate
from rayfield.fields.coordinate import ReLUNetwork, sampled
from rayfield.math.lattice import lattice


def test_the_network_computes_its_formula(generator):
    network = ReLUNetwork(3, 8, 8, 2, generator=generator)
    with torch.no_grad():
        for layer in network.layers:
            layer.bias.normal_(generator=generator)
    x = torch.randn(10, 3, generator=generator)
    y = x
    for index, layer in enumerate(network.layers):
        y = y @ layer.weight.T + layer.bias
        y = y if index == 2 else y.clamp_min(0)
    torch.testing.assert_close(network(x), y)


def test_layers_keep_the_size_of_a_signal_at_the_start(generator):
    """He et al. 2015: the mean square of the values neither grows nor shrinks with depth."""
    network = ReLUNetwork(256, *[1024] * 4, 256, generator=generator)
    x = torch.randn(256, 256, generator=generator)
    with torch.no_grad():
        assert float(network(x).square().mean()) == pytest.approx(1.0, rel=0.3)


def test_weights_have_the_stated_deviation_and_biases_are_zero(generator):
    network = ReLUNetwork(400, 300, 200, generator=generator)
    first, last = network.requires_grad_(False).layers
    assert float(first.weight.std()) == pytest.approx(math.sqrt(2 / 400), rel=0.02)
    assert float(last.weight.std()) == pytest.approx(math.sqrt(1 / 300), rel=0.02)
    assert not any(layer.bias.any() for layer in network.layers)


def test_the_same_generator_gives_the_same_network():
    one, two = (ReLUNetwork(2, 4, 1, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_gradients_match_finite_differences(generator):
    network = ReLUNetwork(2, 5, 5, 1, generator=generator).double()
    x = torch.randn(4, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(network, (x,))


def test_sampling_in_chunks_changes_nothing(monkeypatch):
    monkeypatch.setattr(coordinate, "CHUNK", 7)
    sizes, extent = (6, 9), (0.5, 1.0)
    found = sampled(lambda p: (p * 2).sum(-1, keepdim=True), sizes, extent=extent)
    expected = (lattice(sizes, extent) * 2).sum(-1).reshape(6, 9, 1)
    assert torch.equal(found, expected)
    assert not found.requires_grad


class Settings(NamedTuple):
    batch: int = 7
    rate: float = 0.5
    final_rate: float = 0.01
    warmup: int = 10
    sizes: tuple[int, ...] = (4, 6)


def test_the_rate_rises_over_the_warm_up_and_falls_exponentially_to_its_last():
    cfg = Settings()
    assert coordinate.lr_factor(cfg, 0, 0.0) == pytest.approx(0.1)
    assert coordinate.lr_factor(cfg, 9, 0.0) == 1.0
    assert coordinate.lr_factor(cfg, 500, 0.5) == pytest.approx(0.1)
    assert coordinate.lr_factor(cfg, 1000, 1.0) == pytest.approx(0.01)


def test_all_parameters_are_trained_at_the_rate_of_the_settings(generator):
    network = ReLUNetwork(2, 4, 1, generator=generator)
    (group,) = coordinate.param_groups(network, Settings())
    assert list(map(id, group["params"])) == list(map(id, network.parameters()))
    assert group["lr"] == 0.5
    assert coordinate.batch_size(network, Settings()) == 7


@pytest.mark.parametrize("size", [None, (3, 5)])
def test_a_picture_shows_the_field_at_the_centres_of_its_pixels(generator, size):
    network = ReLUNetwork(2, 4, 3, generator=generator)
    found = coordinate.image(network, Settings(), size=size)
    rows, columns = size or (4, 6)
    assert found.shape == (rows, columns, 3)
    y, x = (rows - 0.5) / rows * 4 / 6, 0.5 / columns  # the picture is 1 wide and 4 / 6 high
    with torch.no_grad():
        corner = network(torch.tensor([[y, x]])).sigmoid()[0]
    torch.testing.assert_close(found[-1, 0], corner)


def test_a_signal_is_drawn_as_one_row(generator):
    network = ReLUNetwork(1, 4, 2, generator=generator)
    assert coordinate.image(network, Settings(sizes=(9,))).shape == (1, 9, 2)
    assert coordinate.image(network, Settings(sizes=(9,)), size=(1, 5)).shape == (1, 5, 2)
