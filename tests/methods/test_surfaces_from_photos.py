"""What sets neus, volsdf and unisurf apart, and what they all must find: a ball."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from rayfield.app.catalogue import load_method
from rayfield.core.check import UsageError
from rayfield.core.types import RayBatch, SceneTraits
from rayfield.math.density import laplace_depth, neus_alpha, occupancy
from rayfield.objectives.photometric import psnr
from rayfield.render.growth import SHARPENED
from rayfield.train.optim import Adam

NAMES = ("neus", "volsdf", "unisurf")
OBJECT = SceneTraits(bounded=True, alpha=True, images=3, near=0.05)
SMALL = {"steps": 150, "levels": 4, "entries": 1 << 12, "finest": 64, "width": 32,
         "samples": 1 << 12, "occupancy": 32, "step": 1 / 32}  # fmt: skip
DARKER = 0.45  # so that no photo is too bright
each_method = pytest.mark.parametrize("name", NAMES)


def config(name: str):
    method = load_method(name)
    return method.adapt(replace(method.Config(), **SMALL), OBJECT)


@each_method
def test_a_ball_is_found_with_its_colours(name, find_a_ball):
    find_a_ball(load_method(name), config(name))


def test_each_rule_is_that_of_its_paper():
    value, slope = torch.linspace(-0.2, 0.2, 101), torch.linspace(-1, 1, 101)
    length = torch.full((101,), 0.03)
    opacities = {}
    for name in NAMES:
        method, cfg = load_method(name), config(name)
        model = method.build(cfg, generator=torch.Generator().manual_seed(0))
        tau = method._marching(model, cfg).rule(value, slope, length)
        opacities[name] = (1 - torch.exp(-tau)).detach()
    width = cfg.blurred  # of all three
    neus = neus_alpha(value, slope, length, sharpness=1 / width)
    volsdf = 1 - torch.exp(-laplace_depth(value, slope, length, beta=width))
    torch.testing.assert_close(opacities["neus"], neus)
    torch.testing.assert_close(opacities["volsdf"], volsdf)
    torch.testing.assert_close(opacities["unisurf"], occupancy(value, 1 / width))


def test_schedules_begin_blurred_and_coarse_and_end_sharp_and_fine(photo_of_a_ball):
    for name in NAMES:
        method, cfg = load_method(name), config(name)
        generator, batch = torch.Generator().manual_seed(0), photo_of_a_ball(16, 0)
        model = method.build(cfg, generator=generator)
        widths, levels, halves = [], [], []
        for step in (0, round(SHARPENED * cfg.steps / 2), cfg.steps, 2 * cfg.steps):
            method.loss(model, batch, cfg, step, generator=generator)
            marching = method._marching(model, cfg)
            widths.append(math.exp(float(model.log_width)))
            levels.append(int(model.field.sdf.active))
            halves.append(marching.on.half if marching.on else 0.0)
            assert marching.step >= cfg.step
        middle = math.sqrt(cfg.blurred * cfg.sharp)
        assert widths == pytest.approx([cfg.blurred, middle, cfg.sharp, cfg.sharp], rel=0.02)
        assert levels == [2, 4, 4, 4]
        if name == "unisurf":
            assert halves[0] == pytest.approx(cfg.wide / 2, rel=1e-4)
            assert halves[2] == halves[3] == pytest.approx(cfg.narrow / 2, rel=1e-4)


def exposed_photos(photo, n: int, seed: int, gains) -> RayBatch:
    """The ball, darker, in photos taken mostly from six sides, each as bright as its gain says."""
    batch = photo(n, seed)
    sides = torch.cat([batch.rays.origins, -batch.rays.origins], -1).softmax(-1)
    image = sides.multinomial(1, generator=torch.Generator().manual_seed(seed))[:, 0]
    rgb = DARKER * batch.rgba[:, :3] * gains[image]
    return RayBatch(batch.rays._replace(image=image), torch.cat([rgb, batch.rgba[:, 3:]], -1))


def seen_and_gains(method, cfg, photo, *, gains) -> tuple[float, torch.Tensor | None]:
    """PSNR on photos of gain 1 after training on those of `gains`, and what gains were found."""
    generator = torch.Generator().manual_seed(0)
    model = method.build(cfg, generator=generator)
    optimiser = Adam(method.param_groups(model, cfg))
    for step in range(cfg.steps):
        batch = exposed_photos(photo, method.batch_size(model, cfg), step, gains)
        sum(method.loss(model, batch, cfg, step, generator=generator).values()).backward()
        optimiser.step(method.lr_factor(cfg, step, step / cfg.steps))
    held = photo(1500, 9999)
    with torch.no_grad():
        out = method.render(model, held.rays, cfg, background=torch.zeros(3))
    return float(psnr(out.color[:, None], DARKER * held.rgba[:, None, :3])), model.log_gains


@each_method
def test_exposures_are_recovered_and_other_views_are_shown_better(name, photo_of_a_ball):
    """Up to scale, of every photo and colour."""
    method = load_method(name)
    cfg = replace(method.Config(), **SMALL, exposure=True, exposure_rate=3e-2)
    cfg = method.adapt(cfg, OBJECT._replace(images=6))
    logs = 0.35 * torch.randn(6, 3, generator=torch.Generator().manual_seed(3))
    logs -= logs.mean(dim=0)
    better, found = seen_and_gains(method, cfg, photo_of_a_ball, gains=logs.exp())
    assert found is not None
    found = found.detach() - found.detach().mean(dim=0)
    assert (found - logs).abs().mean() < 0.04
    assert better > 34
    if name == NAMES[0]:  # the others are as far behind, 31 dB
        cfg = replace(cfg, exposure=False)
        plain, nothing = seen_and_gains(method, cfg, photo_of_a_ball, gains=logs.exp())
        assert nothing is None
        assert better > plain + 3


@each_method
def test_fewer_than_three_photos_are_refused(name):
    method = load_method(name)
    with pytest.raises(UsageError, match="3 training photos or more, and there are 2 beside"):
        method.adapt(method.Config(), OBJECT._replace(images=2))


def test_volsdf_learns_a_factor_of_its_width_but_none_below_the_sharpest():
    method, cfg = load_method("volsdf"), config("volsdf")
    model = method.build(cfg, generator=torch.Generator().manual_seed(0))
    groups = method.param_groups(model, cfg)
    assert any(p is model.log_factor for group in groups for p in group["params"])
    inside = torch.full((1,), -0.9)
    for factor, width in ((0.5, 0.5 * cfg.blurred), (1e-9, cfg.sharpest)):
        model.log_factor.data.fill_(math.log(factor))
        tau = method._marching(model, cfg).rule(inside, inside, torch.ones(1))
        torch.testing.assert_close(tau.detach(), torch.full((1,), 1 / width))
    assert model.width == pytest.approx(1e-9 * cfg.blurred)


@pytest.mark.parametrize("name", [*NAMES, "idr"])
@pytest.mark.parametrize("preset", ["laptop", "paper"])
def test_networks_learn_in_all_their_parts(name, preset, photo_of_a_ball):
    """The presets with networks, of few and narrow layers: every parameter gets a gradient."""
    method = load_method(name)
    cfg = method.adapt(method.PRESETS[preset], OBJECT)
    assert cfg.layers >= 4
    cfg = replace(cfg, layers=3, color_layers=1, width=96, rays=40, warmup=1, steps=10)
    generator = torch.Generator().manual_seed(0)
    model = method.build(cfg, generator=generator)
    groups = method.param_groups(model, cfg)
    assert method.batch_size(model, cfg) == 40
    for step in range(2):
        batch = photo_of_a_ball(40, step)
        terms = method.loss(model, batch, cfg, step, generator=generator)
        sum(terms.values()).backward()
        assert all(torch.isfinite(term) for term in terms.values())
    grouped = {id(p) for group in groups for p in group["params"]}
    for label, parameter in model.named_parameters():
        assert id(parameter) in grouped, label
        assert parameter.grad is not None, label
        assert parameter.grad.isfinite().all(), label
        assert parameter.grad.any(), label
    assert method.batch_size(model, cfg) == 40
    with torch.no_grad():
        out = method.render(model, photo_of_a_ball(30, 5).rays, cfg, background=torch.ones(3))
    assert out.color.shape == (30, 3)
    assert torch.isfinite(out.color).all()


@pytest.mark.parametrize("name", [*NAMES, "idr"])
def test_networks_find_a_ball(name, photo_of_a_ball):
    """As `laptop` has them, but for a moment; what is lost on the way comes back."""
    method = load_method(name)
    cfg = replace(method.PRESETS["laptop"], layers=3, color_layers=1, width=48, rays=32, warmup=10)
    cfg = replace(cfg, steps=80)
    if name == "idr":
        cfg = replace(cfg, rays=160, rate=1e-3, samples=24, places=24)
    cfg = method.adapt(cfg, OBJECT)
    generator = torch.Generator().manual_seed(0)
    model = method.build(cfg, generator=generator)
    optimiser = Adam(method.param_groups(model, cfg))
    for step in range(cfg.steps):
        batch = photo_of_a_ball(cfg.rays, step)
        sum(method.loss(model, batch, cfg, step, generator=generator).values()).backward()
        optimiser.step(method.lr_factor(cfg, step, step / cfg.steps))
    away = torch.nn.functional.normalize(torch.randn(500, 3, generator=generator))
    value = method.surface(model)
    with torch.no_grad():
        inside, on, outside = (value(radius * away) for radius in (0.35, 0.5, 0.65))
    assert (inside < 0).float().mean() > 0.97
    assert (outside > 0).float().mean() > 0.99
    assert on.abs().mean() < 0.08
