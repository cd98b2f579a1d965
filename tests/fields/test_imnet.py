"""IM-NET's decoder: its twin, its size, the soft clip."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch.nn import functional

from rayfield.fields.imnet import WIDTHS, AutoEncoder, ImNetDecoder


def test_the_decoder_equals_a_network_on_point_and_code_side_by_side(generator):
    decoder = ImNetDecoder((12, 7), code=5, generator=generator)
    points = torch.randn(2, 9, 3, generator=generator)
    codes = torch.rand(2, 5, generator=generator)
    x = torch.cat([points, codes[:, None].expand(-1, 9, -1)], dim=-1)
    for index, layer in enumerate(decoder.layers):
        x = layer(functional.leaky_relu(x, 0.02) if index else x)
    h = x[..., 0]
    twin = torch.where(h < 0, 0.01 * h, torch.where(h > 1, 0.99 + 0.01 * h, h))
    torch.testing.assert_close(decoder(points, codes), twin, rtol=1e-4, atol=1e-6)


def test_the_release_has_its_number_of_parameters():
    expected = sum(a * b + b for a, b in pairwise((259, *WIDTHS, 1)))
    decoder = ImNetDecoder(WIDTHS, code=256, spread=0.02)
    assert sum(p.numel() for p in decoder.parameters()) == expected == 3_054_593
    assert float(decoder.layers[1].weight.detach().std()) < 0.0201


def test_a_long_code_does_not_drown_the_coordinates_at_the_start(generator):
    """Values differ from point to point as much as those of a network without a code."""
    spreads = []
    for code in (0, 400):
        decoder = ImNetDecoder((64, 32), code=code, generator=generator)
        points = torch.rand(1, 500, 3, generator=generator) * 2 - 1
        x = decoder.layers[0].weight[:, :3] @ points[0].T
        spreads.append(float(x.std(dim=1).mean().detach()))
    assert 0.7 < spreads[1] / spreads[0] < 1.4


def test_the_clip_keeps_a_gradient_everywhere(generator):
    decoder = ImNetDecoder((8,), code=0, generator=generator)
    with torch.no_grad():
        for shift in (-50.0, 0.5, 50.0):
            decoder.layers[-1].bias.fill_(shift)
            with torch.enable_grad():
                value = decoder(torch.zeros(1, 1, 3), torch.zeros(1, 0))
                (gradient,) = torch.autograd.grad(value.sum(), [decoder.layers[-1].bias])
            assert float(gradient) > 0


def test_without_an_encoder_codes_are_empty(generator):
    model = AutoEncoder(ImNetDecoder((8,), code=0, generator=generator), None)
    assert model.encode(torch.zeros(3, 8, 8, 8, dtype=torch.bool)).shape == (3, 0)
