"""What every method of the catalogue promises, asked of each in the same way."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from types import ModuleType

import pytest
import torch
from torch import nn

from rayfield.app.catalogue import METHODS, load_method
from rayfield.core.types import RayBatch, Rays, SceneTraits
from rayfield.math.rays import ray_box
from rayfield.train.optim import Adam

LINES = 150
# Sizes for which a test takes a moment; a method takes those that its Config names.
SMALL = {
    "levels": 4,
    "entries": 1 << 10,
    "finest": 64,
    "width": 16,
    "occupancy": 16,
    "samples": 1 << 10,
    "rays": 64,
    "depth": 3,
    "coarse_samples": 8,
    "fine_samples": 8,
    "subdivisions": 2,
    "cells": 8,
    "doublings": 0,
    "points": 300,
}
SCENES = {
    "object": SceneTraits(bounded=True, alpha=True, images=3, near=0.05),
    "capture": SceneTraits(bounded=False, alpha=False, images=3, near=0.05),
}
RAYS = 64

FROM_PHOTOS = sorted(
    name for name, entry in METHODS.items() if entry.learns in ("photos", "scenes", "target")
)
# what is fitted to a target, or to masks, takes photos with alpha, and nothing else
CASES = [
    (name, scene)
    for name in FROM_PHOTOS
    for scene in SCENES
    if (METHODS[name].learns != "target" and name != "idr") or scene == "object"
]
OWN_GEOMETRY = {"mesh_optimisation", "point_optimisation"}  # exported as it is, without a density

SIGNED = {"idr", "neus", "volsdf", "unisurf"}  # with a distance instead of a density

any_method = pytest.mark.parametrize("name", sorted(METHODS))
any_trained_method = pytest.mark.parametrize(
    "name", sorted(name for name, entry in METHODS.items() if entry.learns != "solid")
)
each_method = pytest.mark.parametrize("name", FROM_PHOTOS)
each_solid_one = pytest.mark.parametrize(
    ("name", "scene"),
    [(n, s) for n, s in CASES if "export" in METHODS[n].offers and n not in OWN_GEOMETRY],
)
each_case = pytest.mark.parametrize(("name", "scene"), CASES)


def small_config(method: ModuleType, scene: str):
    cfg = method.adapt(method.Config(), SCENES[scene])
    sizes = {f.name for f in fields(cfg) if type(f.default) is int}
    return replace(cfg, **{k: v for k, v in SMALL.items() if k in sizes})


def some_rays(n: int, scene: str, *, seed: int = 0) -> Rays:
    generator = torch.Generator().manual_seed(seed)
    origins = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator)) * 3
    target = torch.rand(n, 3, generator=generator) - 0.5
    directions = torch.nn.functional.normalize(target - origins)
    near, far = ray_box(origins, directions)
    if scene == "capture":
        near, far = torch.full((n,), 0.05), torch.full((n,), 1e6)
    image = torch.randint(3, (n,), generator=generator)
    return Rays(origins, directions, near, far, image)


def some_batch(n: int, scene: str, *, seed: int = 0) -> RayBatch:
    generator = torch.Generator().manual_seed(seed + 1)
    rgba = torch.rand(n, 4, generator=generator)
    if not SCENES[scene].alpha:
        rgba[:, 3] = 1
    return RayBatch(some_rays(n, scene, seed=seed), rgba)


def trained(method: ModuleType, scene: str, steps: tuple[int, ...], *, seed: int = 0):
    """A small model after these steps, and the generator that it drew from."""
    cfg, generator = small_config(method, scene), torch.Generator().manual_seed(seed)
    model = method.build(cfg, generator=generator)
    optimiser = Adam(method.param_groups(model, cfg))
    for step in steps:
        batch = some_batch(RAYS, scene, seed=step)
        terms = method.loss(model, batch, cfg, step, generator=generator)
        sum(terms.values()).backward()
        optimiser.step(method.lr_factor(cfg, step, step / cfg.steps))
    return model, cfg, generator


def seen(method: ModuleType, model: nn.Module, cfg, scene: str, background: torch.Tensor):
    with torch.no_grad():
        return method.render(model, some_rays(50, scene, seed=9), cfg, background=background)


@any_trained_method
def test_config_is_a_frozen_dataclass_with_every_default(name):
    method = load_method(name)
    assert is_dataclass(method.Config)
    cfg = method.Config()
    assert isinstance(cfg.steps, int)
    assert cfg.steps > 0
    with pytest.raises(FrozenInstanceError):
        cfg.steps = 1


@each_case
def test_adapting_changes_no_other_setting_and_is_idempotent(name, scene):
    method = load_method(name)
    once = method.adapt(method.Config(), SCENES[scene])
    assert type(once) is method.Config
    assert method.adapt(once, SCENES[scene]) == once
    assert method.adapt(method.Config(steps=77), SCENES[scene]).steps == 77


@each_case
def test_loss_is_finite_named_scalars(name, scene):
    method = load_method(name)
    model, cfg, generator = trained(method, scene, ())
    terms = method.loss(model, some_batch(RAYS, scene), cfg, 0, generator=generator)
    assert terms
    for term, value in terms.items():
        assert value.shape == (), term
        assert torch.isfinite(value), term
    assert sum(terms.values()).requires_grad


@each_case
@pytest.mark.parametrize("switches", ["as they are", "all on"])
def test_every_parameter_learns(name, scene, switches):
    """All parameters are in a group, and the loss gives each a gradient other than zero."""
    method = load_method(name)
    cfg, generator = small_config(method, scene), torch.Generator().manual_seed(0)
    if switches == "all on":
        cfg = replace(cfg, **{f.name: True for f in fields(cfg) if f.default is False})
    model = method.build(cfg, generator=generator)
    groups = method.param_groups(model, cfg)
    grouped = [p for group in groups for p in group["params"]]
    assert len({id(p) for p in grouped}) == len(grouped)
    assert all({"lr", "betas", "eps"} <= group.keys() for group in groups)
    terms = method.loss(model, some_batch(RAYS, scene), cfg, 0, generator=generator)
    sum(terms.values()).backward()
    names = {id(p): label for label, p in model.named_parameters() if p.numel()}
    outside = [label for key, label in names.items() if key not in {id(p) for p in grouped}]
    grouped = [p for p in grouped if p.numel()]
    still = [names[id(p)] for p in grouped if p.grad is None or not p.grad.any()]
    broken = [names[id(p)] for p in grouped if p.grad is not None and not p.grad.isfinite().all()]
    assert not outside, f"in no group: {outside}"
    assert not still, f"no gradient: {still}"
    assert not broken, f"gradient not finite: {broken}"


@each_case
def test_the_same_seed_gives_the_same_bits(name, scene):
    method, steps = load_method(name), (0, 4, 5, 16)
    states, generators = [], []
    for seed in (0, 0, 1):
        model, _, generator = trained(method, scene, steps, seed=seed)
        states.append(model.state_dict())
        generators.append(generator.get_state())
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    assert torch.equal(*generators[:2])
    assert any(not torch.equal(states[0][k], states[2][k]) for k in states[0])


@each_case
def test_loss_depends_on_no_hidden_randomness(name, scene):
    """The global generator is neither read nor moved."""
    method = load_method(name)
    before = torch.get_rng_state()
    trained(method, scene, (0, 5))
    assert torch.equal(torch.get_rng_state(), before)


@each_case
def test_a_step_towards_one_colour_lowers_the_loss(name, scene):
    method = load_method(name)
    cfg, generator = small_config(method, scene), torch.Generator().manual_seed(0)
    model = method.build(cfg, generator=generator)
    optimiser, batch = Adam(method.param_groups(model, cfg)), some_batch(RAYS, scene)
    rgba = torch.tensor([0.9, 0.1, 0.2, 1.0]).expand(RAYS, 4)
    losses = []
    for step in range(30):
        terms = method.loss(model, batch._replace(rgba=rgba), cfg, step, generator=generator)
        sum(terms.values()).backward()
        losses.append(sum(terms.values()).item())
        optimiser.step(method.lr_factor(cfg, step, 0.0))
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


@each_case
def test_render_without_generator_is_deterministic_and_in_range(name, scene):
    method = load_method(name)
    model, cfg, _ = trained(method, scene, (0, 5))
    white = torch.ones(3)
    first, second = (seen(method, model, cfg, scene, white) for _ in range(2))
    answers = [[x for x in out if x is not None] for out in (first, second)]
    assert all(torch.equal(a, b) for a, b in zip(*answers, strict=True))
    assert all(torch.isfinite(x).all() for x in answers[0])
    assert first.color.shape == (50, 3)
    assert first.color.min() >= 0
    assert first.color.max() <= 1 + 1e-5
    assert first.opacity.min() >= 0
    assert first.opacity.max() <= 1 + 1e-5
    assert first.samples.sum() > 0


@each_case
def test_background_shows_by_what_opacity_leaves(name, scene):
    method = load_method(name)
    model, cfg, _ = trained(method, scene, (0, 5))
    black, white = (seen(method, model, cfg, scene, torch.full((3,), x)) for x in (0.0, 1.0))
    left = (1 - black.opacity)[:, None].expand(-1, 3)
    torch.testing.assert_close(white.color - black.color, left, rtol=0, atol=1e-5)


@each_case
def test_a_ray_is_rendered_the_same_alone_and_in_company(name, scene):
    method = load_method(name)
    model, cfg, _ = trained(method, scene, (0, 5))
    rays, black = some_rays(50, scene, seed=9), torch.zeros(3)
    together = seen(method, model, cfg, scene, black)
    with torch.no_grad():
        alone = method.render(model, Rays(*(x[7:8] for x in rays)), cfg, background=black)
    torch.testing.assert_close(alone.color, together.color[7:8], rtol=1e-5, atol=1e-6)


@each_method
def test_rendering_no_rays_gives_no_pixels(name):
    method = load_method(name)
    model, cfg, _ = trained(method, "object", ())
    with torch.no_grad():
        out = method.render(model, some_rays(0, "object"), cfg, background=torch.zeros(3))
    assert out.color.shape == (0, 3)


@each_solid_one
def test_density_or_distance_and_colour_answer_at_any_point(name, scene):
    method = load_method(name)
    model, _, _ = trained(method, scene, (0, 5))
    points = some_rays(40, scene).origins
    points = torch.cat([points * (30 if scene == "capture" else 0.3), torch.zeros(1, 3)])
    views = torch.nn.functional.normalize(torch.ones(41, 3))
    with torch.no_grad():
        value = (method.surface if name in SIGNED else method.density)(model)(points)
        color = method.color(model)(points, views)
    assert value.shape == (41,)
    assert name in SIGNED or (value >= 0).all()
    assert torch.isfinite(value).all()
    assert color.shape == (41, 3)
    assert ((color >= 0) & (color <= 1)).all()


@any_trained_method
def test_rate_factor_only_lowers_the_rate(name):
    method = load_method(name)
    cfg = method.Config()
    steps = range(0, cfg.steps, max(1, cfg.steps // 50))
    factors = [method.lr_factor(cfg, step, step / cfg.steps) for step in steps]
    factors.append(method.lr_factor(cfg, cfg.steps, 1.0))
    assert all(0 < f <= 1 for f in factors)
    assert factors[-1] <= factors[len(factors) // 2]


@each_method
def test_batch_size_is_a_number_of_rays_that_the_state_keeps(name):
    method = load_method(name)
    model, cfg, _ = trained(method, "object", (0, 1))
    rays = method.batch_size(model, cfg)
    assert isinstance(rays, int)
    assert rays > 0
    other = method.build(cfg, generator=torch.Generator().manual_seed(5))
    other.load_state_dict(model.state_dict())
    assert method.batch_size(other, cfg) == rays


@any_method
def test_docstring_names_the_paper_the_departures_and_the_limits(name):
    text = load_method(name).__doc__
    title = text.strip().splitlines()[0]
    missing = [
        what
        for what, pattern in {
            "title": r"\A\S.{9,}",
            "authors": r"[A-Z][a-z]+(?:,| et al| and)",
            "year": r"\b(?:19|20)\d\d\b",
            "arXiv id": r"arXiv:\d{4}\.\d{4,5}",
            "Departures": r"Departures?:\s*\S",
            "Cannot": r"Cannot:\s*\S",
        }.items()
        if not re.search(pattern, title if what == "title" else text)
    ]
    assert not missing, f"{name}: {missing}"
