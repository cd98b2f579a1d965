"""What methods that learn values at coordinates promise, asked of each in the same way."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
import torch

from rayfield.data.picture import Picture, PictureSampler, PictureTraits
from rayfield.data.shape_samples import BATCH, ShapeTraits
from rayfield.methods import fourier_features, positional_encoding
from rayfield.train.optim import Adam

METHODS = (fourier_features, positional_encoding)
each_method = pytest.mark.parametrize("method", METHODS, ids=lambda m: m.__name__.split(".")[-1])
TRAITS = {
    "picture": PictureTraits(12, 16, 3),
    "grey": PictureTraits(16, 10, 1),
    "signal": PictureTraits(1, 40, 2),
    "shape": ShapeTraits(),
}
each_kind = pytest.mark.parametrize("kind", TRAITS)


def small(method, traits, **changes):
    cfg = method.adapt(method.Config(**changes), traits)
    fields = {"width": 16, "features": 8, "batch": 64}
    return replace(cfg, **{k: v for k, v in fields.items() if k in cfg.__dataclass_fields__})


def waves(height: int, width: int, channels: int) -> Picture:
    """A smooth picture of a few slow waves."""
    row, column = torch.meshgrid(
        torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij"
    )
    values = torch.stack([0.5 + 0.4 * torch.sin(4 * row + 5 * column + c) for c in range(channels)])
    return Picture(
        Path("waves"),
        PictureTraits(height, width, channels),
        values.permute(1, 2, 0).contiguous(),
        torch.ones(height, width, dtype=torch.bool),
        low=0.0,
        high=1.0,
        downscale=1,
        notes=(),
        fingerprint="",
    )


def trained(method, picture, cfg, *, steps: int, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    model = method.build(cfg, generator=generator)
    optimiser = Adam(method.param_groups(model, cfg))
    sampler, losses = PictureSampler(picture), []
    for step in range(steps):
        batch = sampler.sample(method.batch_size(model, cfg), generator=generator)
        terms = method.loss(model, batch, cfg, step, generator=generator)
        total = sum(terms.values())
        losses.append(total.item())
        total.backward()
        optimiser.step(method.lr_factor(cfg, step, step / steps))
    return model, losses


@each_method
def test_config_is_frozen_and_the_first_preset(method):
    cfg = method.Config()
    assert next(iter(method.PRESETS.values())) == cfg
    with pytest.raises(FrozenInstanceError):
        cfg.steps = 1


@each_method
@each_kind
def test_adapting_is_idempotent_and_keeps_what_was_set(method, kind):
    cfg = method.adapt(method.Config(steps=7, rate=0.5), TRAITS[kind])
    assert method.adapt(cfg, TRAITS[kind]) == cfg
    assert (cfg.steps, cfg.rate) == (7, 0.5)
    assert cfg.sizes == TRAITS[kind].sizes
    assert cfg.channels == TRAITS[kind].channels
    assert cfg.misfit == ("bce" if kind == "shape" else "mse")


@each_method
@pytest.mark.parametrize("name", ["layers", "width", "batch"])
def test_sizes_below_one_are_refused(method, name):
    with pytest.raises(ValueError, match="1 or more"):
        method.Config(**{name: 0})


@each_method
def test_no_batch_is_larger_than_the_data(method):
    for name, traits in TRAITS.items():
        for held_out in (False, True):
            cfg = method.adapt(method.Config(batch=2**40, held_out=held_out), traits)
            count = BATCH if name == "shape" else traits.batch(held_out=held_out)
            assert cfg.batch == count


@each_method
@each_kind
def test_loss_is_a_named_finite_scalar_and_every_parameter_learns(method, kind, generator):
    traits = TRAITS[kind]
    cfg = small(method, traits)
    model = method.build(cfg, generator=generator)
    points = torch.rand(64, len(traits.sizes), generator=generator)
    values = torch.rand(64, traits.channels, generator=generator).round()
    batch = fourier_features.PictureBatch(points, values, torch.ones(64, dtype=torch.bool))
    terms = method.loss(model, batch, cfg, 0, generator=generator)
    assert list(terms) == [cfg.misfit]
    assert terms[cfg.misfit].isfinite()
    terms[cfg.misfit].backward()
    grouped = [p for group in method.param_groups(model, cfg) for p in group["params"]]
    assert {id(p) for p in grouped} == {id(p) for p in model.parameters()}
    assert all(p.grad is not None and p.grad.any() and p.grad.isfinite().all() for p in grouped)


@each_method
def test_a_smooth_picture_is_learned(method):
    picture = waves(20, 24, 3)
    cfg = replace(small(method, picture.traits), width=32, rate=1e-2)
    cfg = replace(cfg, bands=3) if method is positional_encoding else replace(cfg, scale=1.0)
    model, losses = trained(method, picture, cfg, steps=300)
    assert sum(losses[-10:]) < 0.05 * sum(losses[:10])
    error = (method.image(model, cfg) - picture.values).square().mean()
    assert float(error) < 2e-3


@each_method
def test_a_signal_is_learned_and_drawn_as_one_row(method):
    picture = waves(1, 64, 1)
    cfg = replace(small(method, picture.traits), rate=1e-2)
    model, losses = trained(method, picture, cfg, steps=150)
    assert losses[-1] < 0.1 * losses[0]
    assert method.image(model, cfg).shape == (1, 64, 1)
    assert method.image(model, cfg, size=(1, 200)).shape == (1, 200, 1)


@each_method
def test_the_picture_at_another_size_is_the_same_field(method, generator):
    """Every third pixel of a picture three times as large lies where one of the small is."""
    traits = TRAITS["picture"]
    cfg = small(method, traits)
    model = method.build(cfg, generator=generator)
    own = method.image(model, cfg)
    assert own.shape == (12, 16, 3)
    large = method.image(model, cfg, size=(36, 48))
    torch.testing.assert_close(large[1::3, 1::3], own, rtol=1e-4, atol=1e-5)
    points = torch.tensor([[0.5 / 16, 2.5 / 16]])
    with torch.no_grad():
        torch.testing.assert_close(method.field(model)(points)[0], own[0, 2], rtol=1e-4, atol=1e-5)


@each_method
def test_values_lie_between_zero_and_one(method, generator):
    cfg = small(method, TRAITS["grey"])
    found = method.image(method.build(cfg, generator=generator), cfg)
    assert found.min() >= 0
    assert found.max() <= 1


@each_method
def test_the_same_seed_gives_the_same_bits_and_another_does_not(method):
    picture = waves(8, 8, 1)
    cfg = small(method, picture.traits)
    states = [trained(method, picture, cfg, steps=5, seed=s)[0].state_dict() for s in (0, 0, 1)]
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    assert any(not torch.equal(states[0][k], states[2][k]) for k in states[0])


@each_method
def test_rate_warms_up_and_then_falls(method):
    cfg = method.Config()
    factors = [method.lr_factor(cfg, step, step / cfg.steps) for step in range(0, cfg.steps, 10)]
    assert all(0 < f <= 1 for f in factors)
    assert factors[0] < max(factors)
    assert method.lr_factor(cfg, cfg.steps, 1.0) == pytest.approx(cfg.final_rate)
