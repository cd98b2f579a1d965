"""The mappings of Tancik et al. 2020, and their training."""

from __future__ import annotations

import pytest
import torch

from rayfield.data.picture import PictureTraits
from rayfield.data.shape_samples import ShapeTraits
from rayfield.math.fourier import axis_frequencies, fourier_features
from rayfield.methods import fourier_features as method


def built(**changes):
    changes = {"scale": 10.0} | changes
    cfg = method.adapt(method.Config(width=16, **changes), PictureTraits(8, 8, 3))
    return method.build(cfg, generator=torch.Generator().manual_seed(0)), cfg


@pytest.mark.parametrize(
    ("mapping", "inputs"), [("none", 2), ("basic", 4), ("positional", 512), ("gaussian", 512)]
)
def test_each_mapping_gives_its_number_of_inputs(mapping, inputs):
    model, _ = built(mapping=mapping)
    assert model.network.layers[0].weight.shape == (16, inputs)


def test_without_a_mapping_the_network_sees_the_coordinates():
    model, _ = built(mapping="none")
    points = torch.rand(9, 2, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(model(points), model.network(points))


def test_basic_wraps_around_the_picture_once():
    model, _ = built(mapping="basic")
    points = torch.rand(9, 2, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(model(points + 1), model(points), rtol=1e-4, atol=1e-4)


def test_positional_frequencies_are_powers_of_two_along_the_axes():
    model, _ = built(mapping="positional", scale=5.0, features=20)
    assert torch.equal(model.frequencies, axis_frequencies(10, 2, 5.0))


def test_gaussian_frequencies_follow_scale_and_seed():
    one, _ = built(scale=7.0)
    two, _ = built(scale=14.0)
    assert one.frequencies.shape == (256, 2)
    torch.testing.assert_close(2 * one.frequencies, two.frequencies)
    assert float(one.frequencies.std()) == pytest.approx(7.0, rel=0.1)


@pytest.mark.parametrize(
    ("changes", "traits", "scale"),
    [
        ({}, PictureTraits(512, 300, 3), 20.0),
        ({"held_out": True}, PictureTraits(512, 512, 3), 10.0),
        ({}, ShapeTraits(), 3.0),
        ({"mapping": "positional"}, PictureTraits(512, 512, 1), 8.0),
        ({"mapping": "positional", "held_out": True}, PictureTraits(512, 512, 1), 7.0),
        ({"mapping": "none"}, PictureTraits(512, 512, 1), 0.0),
        ({"scale": 4.0}, PictureTraits(512, 512, 1), 4.0),
    ],
)
def test_the_scale_follows_from_the_data_unless_it_is_set(changes, traits, scale):
    assert method.adapt(method.Config(**changes), traits).scale == scale


def test_frequencies_are_kept_with_the_model_but_never_trained():
    model, cfg = built()
    assert "frequencies" in model.state_dict()
    grouped = [p for group in method.param_groups(model, cfg) for p in group["params"]]
    assert all(p is not model.frequencies for p in grouped)
    assert not model.frequencies.requires_grad


def test_the_model_is_the_network_on_the_features():
    model, _ = built(features=12)
    points = torch.rand(9, 2, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = model.network(fourier_features(points, model.frequencies))
        assert torch.equal(model(points), expected)


def test_the_paper_preset_has_the_papers_sizes():
    """Three hidden layers of 256, 256 frequencies, scale 10, all pixels, constant rate 1e-3."""
    cfg = method.adapt(method.PRESETS["paper"], PictureTraits(512, 512, 3))
    assert (cfg.layers, cfg.width, cfg.features, cfg.scale) == (3, 256, 256, 10.0)
    assert cfg.batch == 256 * 256
    assert cfg.steps == 2000
    assert {method.lr_factor(cfg, s, s / 2000) * cfg.rate for s in (0, 1000, 2000)} == {1e-3}
