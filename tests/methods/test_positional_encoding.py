"""Positional encoding on coordinates: bands, and what the factor pi does at the ends."""

from __future__ import annotations

import math

import pytest
import torch

from rayfield.data.picture import PictureTraits
from rayfield.data.shape_samples import ShapeTraits
from rayfield.methods import positional_encoding as method


@pytest.mark.parametrize(("side", "bands"), [(512, 9), (300, 8), (8, 3), (2, 1)])
def test_the_last_band_has_a_period_of_two_samples_or_just_more(side, bands):
    cfg = method.adapt(method.Config(), PictureTraits(2, side, 1))
    assert cfg.bands == bands
    # sin(2^l pi x) has period 2 / 2^l, and x spans 2 over the picture
    assert 2 <= side / 2 ** (cfg.bands - 1) < 4


def test_there_are_fewer_bands_for_held_out_samples_and_for_shapes():
    held_out = method.adapt(method.Config(held_out=True), PictureTraits(512, 512, 1))
    assert held_out.bands == 8
    assert method.adapt(method.Config(), ShapeTraits()).bands == 4


def test_bands_that_were_set_are_kept():
    assert method.adapt(method.Config(bands=4), PictureTraits(64, 64, 1)).bands == 4


@pytest.mark.parametrize(
    ("changes", "inputs"),
    [({}, 2 * 2 * 5), ({"identity": True}, 2 * 2 * 5 + 2), ({"identity": True, "pi": False}, 22)],
)
def test_number_of_inputs(changes, inputs):
    cfg = method.adapt(method.Config(width=8, bands=5, **changes), PictureTraits(32, 32, 3))
    model = method.build(cfg, generator=torch.Generator().manual_seed(0))
    assert model.network.layers[0].weight.shape == (8, inputs)


def test_with_pi_opposite_ends_of_the_picture_meet_and_without_they_do_not():
    ends = torch.tensor([[0.0, 0.3], [1.0, 0.3]])
    for pi, same in ((True, True), (False, False)):
        low, high = method.encode(ends, method.Config(bands=6, pi=pi))
        assert (float((low - high).abs().max()) < 1e-4) is same


def test_encoding_is_equation_four_of_coordinates_in_minus_one_to_one():
    found = method.encode(torch.tensor([[0.75]]), method.Config(bands=2))[0]
    x = 0.5 * math.pi
    expected = torch.tensor([math.sin(x), math.cos(x), math.sin(2 * x), math.cos(2 * x)])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
