"""What every method that learns a surface from points promises, asked of each in the same way."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import lru_cache

import pytest
import torch

from rayfield.app.catalogue import METHODS, load_method
from rayfield.data.points import CloudTraits, PointBatch
from rayfield.geometry.guide import Guide, make_guide
from rayfield.train.optim import Adam

FROM_POINTS = sorted(name for name, entry in METHODS.items() if entry.learns == "points")
# Sizes for which a test takes a moment; a method takes those that its Config names.
SMALL = {"layers": 3, "width": 32, "batch": 64, "skip": 2, "levels": 4, "entries": 1 << 10}
POINTS = 64

each_method = pytest.mark.parametrize("name", FROM_POINTS)
each_cloud = pytest.mark.parametrize("oriented", [True, False], ids=["normals", "bare"])


@lru_cache
def sphere_guide() -> Guide:
    """What is found out about many points of the sphere."""
    normals = torch.randn(1000, 3, generator=torch.Generator().manual_seed(0)).double()
    return make_guide(0.35 * torch.nn.functional.normalize(normals).numpy() + 0.5, None)


def some_batch(n: int, *, oriented: bool, seed: int = 0) -> PointBatch:
    """Points of the sphere of radius 0.7."""
    generator = torch.Generator().manual_seed(seed)
    normals = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator))
    spread = torch.full((n,), 0.1)
    return PointBatch(
        0.7 * normals,
        normals if oriented else torch.zeros(n, 3),
        spread,
        oriented,
        lambda points: (points.norm(dim=1) - 0.7).abs(),
        torch.arange(n),
        lambda _: sphere_guide()._replace(normals=normals),
    )


def small_config(method, oriented: bool):
    cfg = method.adapt(method.Config(), CloudTraits(1000, oriented))
    sizes = {f.name for f in fields(cfg)}
    return replace(cfg, **{k: v for k, v in SMALL.items() if k in sizes})


def trained(method, steps: int, *, oriented: bool, seed: int = 0):
    cfg, generator = small_config(method, oriented), torch.Generator().manual_seed(seed)
    model = method.build(cfg, generator=generator)
    optimiser = Adam(method.param_groups(model, cfg))
    for step in range(steps):
        batch = some_batch(POINTS, oriented=oriented, seed=step)
        terms = method.loss(model, batch, cfg, step, generator=generator)
        sum(terms.values()).backward()
        optimiser.step(method.lr_factor(cfg, step, step / cfg.steps))
    return model, cfg, generator


@each_method
def test_presets_hold_the_default_and_the_published_one(name):
    method = load_method(name)
    assert next(iter(method.PRESETS.values())) == method.Config()
    assert "paper" in method.PRESETS
    assert all(type(cfg) is method.Config for cfg in method.PRESETS.values())


@each_method
@each_cloud
def test_adapting_changes_no_other_setting_and_is_idempotent(name, oriented):
    method, traits = load_method(name), CloudTraits(1000, oriented)
    once = method.adapt(method.Config(), traits)
    assert type(once) is method.Config
    assert method.adapt(once, traits) == once
    assert method.adapt(method.Config(steps=77), traits).steps == 77


@each_method
@each_cloud
def test_loss_is_finite_named_scalars(name, oriented):
    method = load_method(name)
    model, cfg, generator = trained(method, 0, oriented=oriented)
    batch = some_batch(POINTS, oriented=oriented)
    terms = method.loss(model, batch, cfg, 0, generator=generator)
    assert terms
    assert all(value.shape == () and torch.isfinite(value) for value in terms.values())
    assert method.batch_size(model, cfg) == cfg.batch


@each_method
@each_cloud
def test_every_parameter_learns(name, oriented):
    """All parameters are in a group, and the loss gives each a gradient other than zero."""
    method = load_method(name)
    model, cfg, generator = trained(method, 0, oriented=oriented)
    grouped = {id(p) for group in method.param_groups(model, cfg) for p in group["params"]}
    batch = some_batch(POINTS, oriented=oriented)
    sum(method.loss(model, batch, cfg, 0, generator=generator).values()).backward()
    for label, parameter in model.named_parameters():
        assert id(parameter) in grouped, f"{label} is in no group"
        assert parameter.grad is not None, f"{label} has no gradient"
        assert parameter.grad.any(), f"{label} has no gradient"
        assert parameter.grad.isfinite().all(), f"{label} has a gradient that is not finite"


@each_method
@each_cloud
def test_the_same_seed_gives_the_same_bits(name, oriented):
    method = load_method(name)
    before = torch.get_rng_state()
    first, again, other = (
        trained(method, 3, oriented=oriented, seed=seed)[0].state_dict() for seed in (0, 0, 1)
    )
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert any(not torch.equal(first[k], other[k]) for k in first)
    assert torch.equal(torch.get_rng_state(), before), "the global generator was used"


@each_method
def test_the_surface_is_deterministic_and_negative_inside(name):
    method = load_method(name)
    model, _, _ = trained(method, 0, oriented=False)
    value = method.surface(model)
    points = torch.cat([torch.zeros(1, 3), 1.7 * torch.eye(3), -1.7 * torch.eye(3)])
    with torch.no_grad():
        found = value(points)
        assert torch.equal(found, value(points))
        alone = torch.cat([value(point[None]) for point in points])
    torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-5)
    assert found.shape == (7,)
    assert found[0] < 0
    assert (found[1:] > 0).all()


@each_method
@each_cloud
def test_training_on_a_sphere_finds_it(name, oriented):
    method = load_method(name)
    model, _, _ = trained(method, 50, oriented=oriented)
    directions = some_batch(200, oriented=False, seed=99).points / 0.7
    with torch.no_grad():
        inside, on, outside = (
            method.surface(model)(directions * r).mean().item() for r in (0.5, 0.7, 0.9)
        )
    assert inside < -0.05
    assert abs(on) < 0.05
    assert outside > 0.05
