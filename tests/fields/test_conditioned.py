"""Hypernetworks and the normed layers they are made of."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from rayfield.fields.conditioned import HyperMLP, NormMLP, linear


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_linear_starts_kaiming_normal_with_uniform_biases():
    layer = linear(400, 300, generator=seeded())
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / 400), rel=0.01)
    assert layer.weight.mean().abs() < 1e-3
    assert layer.bias.abs().max() <= 1 / 20
    assert layer.bias.std().item() == pytest.approx(1 / 20 / math.sqrt(3), rel=0.1)


def test_norm_mlp_is_linear_norm_relu_layer_by_layer():
    mlp = NormMLP(3, 8, 5, outputs=2, generator=seeded())
    x = torch.randn(7, 3, generator=seeded(1))
    first, norm, _, second, last_norm, _, out = mlp.layers
    hidden = torch.relu(norm(x @ first.weight.T + first.bias))
    hidden = torch.relu(last_norm(hidden @ second.weight.T + second.bias))
    torch.testing.assert_close(mlp(x), hidden @ out.weight.T + out.bias)


def test_norm_mlp_without_outputs_ends_in_relu():
    features = NormMLP(3, 16, 16, generator=seeded())(torch.randn(50, 3, generator=seeded(1)))
    assert features.min() == 0
    assert features.max() > 0


def test_a_point_and_its_double_have_different_features():
    """Which would fail with biases that start at zero: a norm takes the length away."""
    mlp = NormMLP(3, 16, generator=seeded())
    x = torch.randn(20, 3, generator=seeded(1))
    assert ((mlp(x) - mlp(2 * x)).abs().max(-1).values > 1e-3).all()


def test_predicted_layers_have_the_shapes_of_the_mlp():
    hyper = HyperMLP(3, 16, 24, 5, code=12, generator=seeded())
    layers = hyper.predict(torch.randn(12, generator=seeded(1)))
    assert [tuple(weight.shape) for weight, _ in layers] == [(16, 3), (24, 16), (5, 24)]
    assert [tuple(bias.shape) for _, bias in layers] == [(16,), (24,), (5,)]


def test_predictors_start_at_a_tenth_of_kaiming():
    hyper = HyperMLP(3, 64, 64, code=32, generator=seeded())
    assert hyper.output[1].weight.std().item() == pytest.approx(0.1 * math.sqrt(2 / 32), rel=0.02)
    assert [layer.in_features for layer in hyper.output] == [32, 32]
    assert hyper.hidden[0].layers[0].weight.shape == (32, 32)


def test_predicted_weights_vary_with_the_code_by_a_tenth_at_the_start():
    """A tenth: 0.1 sqrt(2/C) times C normed ReLU outputs of mean square 1/2."""
    generator = seeded()
    hyper = HyperMLP(3, 64, 64, code=128, generator=generator)
    codes = torch.randn(40, 128, generator=generator)
    weights = torch.stack([hyper.predict(code)[1][0] for code in codes])
    offset = hyper.output[1].bias[: 64 * 64].view(64, 64)
    assert (weights - offset).std().item() == pytest.approx(0.1, rel=0.1)


def test_the_conditioned_field_is_the_predicted_mlp_with_norms_without_affine():
    hyper = HyperMLP(3, 16, 8, code=6, generator=seeded())
    code, x = torch.randn(6, generator=seeded(1)), torch.randn(9, 3, generator=seeded(2))
    expected = x
    for weight, bias in hyper.predict(code):
        row = expected @ weight.T + bias
        centred = row - row.mean(-1, keepdim=True)
        scale = (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        expected = functional.relu(centred / scale)
    torch.testing.assert_close(hyper.conditioned(code)(x), expected)


def test_another_code_is_another_field():
    hyper = HyperMLP(3, 16, 8, code=6, generator=seeded())
    codes = torch.randn(2, 6, generator=seeded(1))
    x = torch.randn(9, 3, generator=seeded(2))
    first, second = (hyper.conditioned(code)(x) for code in codes)
    assert (first - second).abs().max() > 1e-2


def test_gradients_reach_the_code_and_every_predictor():
    hyper = HyperMLP(3, 16, 8, code=6, generator=seeded())
    code = torch.randn(6, generator=seeded(1), requires_grad=True)
    hyper.conditioned(code)(torch.randn(9, 3, generator=seeded(2))).square().sum().backward()
    assert code.grad is not None
    assert code.grad.any()
    assert all(p.grad is not None and p.grad.any() for p in hyper.parameters())


def test_the_same_seed_gives_the_same_networks_and_leaves_torchs_generator_alone():
    before = torch.get_rng_state()
    first, second, third = (HyperMLP(3, 8, 8, code=4, generator=seeded(s)) for s in (0, 0, 1))
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(first.output[0].weight, third.output[0].weight)
    assert torch.equal(torch.get_rng_state(), before)
