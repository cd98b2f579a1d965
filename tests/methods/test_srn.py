"""Scene Representation Networks: the loss, what training learns, across scenes and few views."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rayfield.core.check import UsageError
from rayfield.core.types import RayBatch, Rays, SceneTraits
from rayfield.data.load import load_scene
from rayfield.data.photo import view_image
from rayfield.data.pixels import PixelSampler, view_rays
from rayfield.data.scenes import Scenes, ScenesSampler, load_scenes
from rayfield.data.synthetic import Solid, toy, write_scene, write_toys
from rayfield.fields.srn import SceneNetworks, start_depth
from rayfield.methods import srn
from rayfield.train.optim import Adam

WHITE = torch.ones(3)
SMALL = replace(srn.Config(), rays=384, width=32, hidden=8, marches=4, code=8, rate=1e-2)
STEPS, CLASS_STEPS = 120, 180


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_batch(n: int = 64, *, away: bool = False, images: int = 1) -> RayBatch:
    """Rays from distance 3, towards the centre or away from it, of random colours."""
    generator = seeded(1)
    origins = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator)) * 3
    target = torch.rand(n, 3, generator=generator) - 0.5
    directions = torch.nn.functional.normalize(target - origins) * (-1 if away else 1)
    image = torch.randint(images, (n,), generator=generator)
    rays = Rays(origins, directions, torch.zeros(n), torch.full((n,), 6.0), image)
    return RayBatch(rays, torch.rand(n, 4, generator=generator))


def walking(model: SceneNetworks, length: float) -> SceneNetworks:
    """The model with every step of this length."""
    with torch.no_grad():
        model.stepper.length.weight.zero_()
        model.stepper.length.bias.fill_(length)
    return model


def trained(sampler, cfg: srn.Config, *, steps: int, seed: int = 0):
    """A model after some steps, and the losses on the way."""
    generator = seeded(seed)
    model = srn.build(cfg, generator=generator)
    optimiser, losses = Adam(srn.param_groups(model, cfg)), []
    for step in range(steps):
        batch = sampler.sample(srn.batch_size(model, cfg), generator=generator)
        terms = srn.loss(model, batch, cfg, step, generator=generator)
        total = sum(terms.values())
        total.backward()
        losses.append(total.item())
        optimiser.step(srn.lr_factor(cfg, step, step / steps))
    return model, losses


def over_white(rgba: torch.Tensor) -> torch.Tensor:
    return rgba[..., :3] * rgba[..., 3:] + 1 - rgba[..., 3:]


def error(model: SceneNetworks, cfg: srn.Config, rays: Rays, photo: torch.Tensor) -> float:
    """Mean squared error of a rendered view."""
    with torch.no_grad():
        color = srn.render(model, rays, cfg, background=WHITE).color
    return (color - over_white(photo).reshape(-1, 3)).square().mean().item()


def test_paper_preset_has_the_papers_sizes():
    cfg = srn.PRESETS["paper"]
    model = srn.build(cfg, generator=seeded())
    norms = 2 * 256
    phi = (3 * 256 + 256 + norms) + 3 * (256 * 256 + 256 + norms)
    stepper = 4 * 16 * (256 + 16 + 1) + 16 + 1
    pixel = 5 * (256 * 256 + 256 + norms) + 256 * 3 + 3
    assert sum(p.numel() for p in model.parameters()) == phi + stepper + pixel
    assert (cfg.marches, cfg.rate, cfg.color, cfg.depth) == (10, 5e-5, 200, 1e-3 * 1e4)
    assert srn.PRESETS["laptop"] == srn.Config()


def test_color_term_is_200_times_the_squared_error_in_minus_one_to_one():
    model = srn.build(SMALL, generator=seeded())
    cfg, batch = replace(SMALL, jitter=0.0), some_batch()
    terms = srn.loss(model, batch, cfg, 0, generator=seeded())
    with torch.no_grad():
        color, _ = model(
            batch.rays, start=start_depth(batch.rays, least=cfg.least_start), steps=cfg.marches
        )
    expected = 200 * ((color + 1) / 2 - over_white(batch.rgba)).square().mean() * 4
    torch.testing.assert_close(terms["color"].detach(), expected)


def test_depth_penalty_is_zero_where_all_depths_are_positive():
    model = walking(srn.build(SMALL, generator=seeded()), 0.1)
    assert srn.loss(model, some_batch(), SMALL, 0, generator=seeded())["depth"].item() == 0


def test_depth_penalty_is_ten_times_the_mean_square_of_negative_depths():
    model = walking(srn.build(SMALL, generator=seeded()), -1.0)
    cfg = replace(SMALL, jitter=0.0)
    terms = srn.loss(model, some_batch(away=True), cfg, 0, generator=seeded())
    assert terms["depth"].item() == pytest.approx(10 * (0.05 - SMALL.marches) ** 2)


def test_code_prior_is_the_mean_square_of_the_codes_in_the_batch():
    cfg = replace(SMALL, photos=(1, 1, 1))
    model = srn.build(cfg, generator=seeded())
    with torch.no_grad():
        model.codes.copy_(torch.tensor([1.0, 2.0, 100.0])[:, None].expand(3, cfg.code))
    terms = srn.loss(model, some_batch(images=2), cfg, 0, generator=seeded())
    assert terms["code"].item() == pytest.approx((1 + 4) / 2)
    single = srn.build(SMALL, generator=seeded())
    assert "code" not in srn.loss(single, some_batch(), SMALL, 0, generator=seeded())


def test_photos_are_those_of_the_data():
    single = SceneTraits(bounded=True, alpha=True, images=7, near=0.1)
    several = single._replace(photos=(3, 4))
    assert srn.adapt(SMALL, single) == SMALL
    cfg = srn.adapt(SMALL, several)
    assert cfg == replace(SMALL, photos=(3, 4)) == srn.adapt(cfg, several)
    with pytest.raises(UsageError, match=r"photos=\(3, 3\), but the data has \(3, 4\)"):
        srn.adapt(replace(cfg, photos=(3, 3)), several)
    with pytest.raises(UsageError, match="but the data is a single scene"):
        srn.adapt(cfg, single)


def test_codes_start_small():
    cfg = replace(SMALL, photos=(1,) * 500)
    assert srn.build(cfg, generator=seeded()).codes.std().item() == pytest.approx(0.01, rel=0.05)


def test_jitter_moves_the_start_in_training_only():
    model = walking(srn.build(SMALL, generator=seeded()), 0.0)
    batch = some_batch(500)
    depth = srn.render(model, batch.rays, SMALL, background=WHITE).depth
    torch.testing.assert_close(depth, start_depth(batch.rays, least=SMALL.least_start))
    terms = [srn.loss(model, batch, SMALL, 0, generator=seeded(s))["color"] for s in (0, 0, 1)]
    assert terms[0] == terms[1]
    assert terms[0] != terms[2]


def test_render_is_opaque_and_takes_no_background():
    model, rays = srn.build(SMALL, generator=seeded()), some_batch().rays
    white, black = (srn.render(model, rays, SMALL, background=c * WHITE) for c in (1.0, 0.0))
    assert (white.opacity == 1).all()
    assert torch.equal(white.color, black.color)
    assert (white.samples == SMALL.marches + 1).all()
    assert (white.depth >= 0).all()


@pytest.fixture(scope="module")
def box_and_ball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("srn") / "scene"
    red_box = Solid(False, (0.0, 0.0, -0.3), (0.6, 0.6, 0.3), (0.9, 0.1, 0.1))
    blue_ball = Solid(True, (0.0, 0.0, 0.4), (0.4, 0.4, 0.4), (0.1, 0.2, 0.9))
    write_scene(root, (red_box, blue_ball), views={"train": 24, "test": 1}, size=32)
    return root


def test_training_recovers_the_colours_of_a_toy_scene(box_and_ball):
    """On a view it has not seen: red box, blue ball, white ground."""
    scene = load_scene(box_and_ball)
    cfg = srn.adapt(SMALL, scene.traits)
    model, losses = trained(PixelSampler(scene), cfg, steps=STEPS)
    assert sum(losses[-10:]) < 0.3 * sum(losses[:10])
    (frame,) = scene.split("test")
    photo, rays = view_image(frame).reshape(-1, 4), view_rays(scene, frame)
    with torch.no_grad():
        color = srn.render(model, rays, cfg, background=WHITE).color
    assert error(model, cfg, rays, photo) < 0.025  # of white alone: 0.1
    opaque = photo[:, 3] == 1
    red, blue = opaque & (photo[:, 0] > photo[:, 2]), opaque & (photo[:, 2] > photo[:, 0])
    assert (color[red, 0] > color[red, 2]).float().mean() > 0.6
    assert (color[blue, 2] > color[blue, 0]).float().mean() > 0.6
    assert color[photo[:, 3] == 0].mean() > 0.9


def test_the_same_seed_trains_to_the_same_bits(box_and_ball):
    sampler = PixelSampler(load_scene(box_and_ball))
    first, second, other = (trained(sampler, SMALL, steps=3, seed=s)[0] for s in (0, 0, 1))
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(first.stepper.input, other.stepper.input)


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    root = tmp_path_factory.mktemp("toys")
    write_toys(root, scenes=3, views={"train": 16, "test": 1}, size=20)
    return load_scenes(root)


@pytest.fixture(scope="module")
def of_class(toys: Scenes) -> tuple[SceneNetworks, srn.Config]:
    cfg = srn.adapt(SMALL, toys.traits)
    return trained(ScenesSampler(toys), cfg, steps=CLASS_STEPS)[0], cfg


def test_a_class_is_learned_with_a_code_for_each_scene(toys, of_class):
    """A view that was not seen is nearest to the rendering of its own scene."""
    model, cfg = of_class
    for number, scene in enumerate(toys.scenes):
        (frame,) = scene.split("test")
        photo = view_image(frame)
        errors = [error(model, cfg, toys.view_rays(other, frame), photo) for other in range(3)]
        assert min(errors) == errors[number]


def test_a_new_scene_is_found_from_one_view_with_the_networks_frozen(of_class, tmp_path):
    """Better than the mean of the codes, which is what the networks know before."""
    model, cfg = of_class
    before = [p.clone() for p in model.parameters()]
    write_scene(tmp_path / "new", toy(50), views={"train": 8}, size=20, seed=5)
    scene = load_scene(tmp_path / "new")
    frame, *_ = scene.frames
    rays, photo = view_rays(scene, frame), view_image(frame)
    views = RayBatch(rays, photo.reshape(-1, 4))
    new = srn.fit_code(model, views, cfg, steps=40, rate=0.05, generator=seeded())
    assert error(new, cfg, rays, photo) < 0.85 * error(model, cfg, rays, photo)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())
    assert new.codes.shape == (1, cfg.code)
