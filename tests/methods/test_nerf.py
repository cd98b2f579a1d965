"""NeRF: its published constants, its switches, and that it learns."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from rayfield.core.check import UsageError
from rayfield.core.types import RayBatch, Rays, SceneTraits
from rayfield.data.load import load_scene
from rayfield.data.photo import view_image
from rayfield.data.pixels import PixelSampler, view_rays
from rayfield.fields.nerf_mlp import NerfMLP
from rayfield.math.rays import ray_box
from rayfield.methods import nerf
from rayfield.objectives.photometric import psnr
from rayfield.render import volume
from rayfield.train import collapse
from rayfield.train.log import read_log
from rayfield.train.loop import fit
from rayfield.train.optim import Adam
from rayfield.train.progress import Budget
from rayfield.train.run import Record, create_run, describe_data

OBJECT = SceneTraits(bounded=True, alpha=True, images=3, near=0.05)
CAPTURE = SceneTraits(bounded=False, alpha=False, images=3, near=0.05)
FORWARD_NUMBERS = tuple(map(float, (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0.5, 0.6, 0.4)))
FORWARD = CAPTURE._replace(forward=FORWARD_NUMBERS)
PAPER = nerf.PRESETS["paper"]
SMALL = nerf.Config(width=24, depth=3, bands=3, coarse_samples=12, fine_samples=12, warmup=0)
WHITE = torch.ones(3)


def some_rays(n, generator, *, miss=0):
    origins = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator)) * 3
    target = torch.rand(n, 3, generator=generator) - 0.5
    target[:miss] = origins[:miss] * 2
    directions = torch.nn.functional.normalize(target - origins)
    return Rays(origins, directions, *ray_box(origins, directions), torch.full((n,), -1))


def built(cfg, traits=OBJECT):
    cfg = nerf.adapt(cfg, traits)
    return nerf.build(cfg, generator=torch.Generator().manual_seed(0)), cfg


def values(terms):
    return {name: float(term.detach()) for name, term in terms.items()}


def test_the_paper_has_595844_parameters_in_each_network():
    model, _ = built(PAPER)
    assert [sum(p.numel() for p in net.parameters()) for net in model.networks] == [595_844] * 2


def test_the_paper_asks_64_and_192_places_of_each_ray(generator):
    model, cfg = built(replace(PAPER, width=8))
    rays = some_rays(2, generator)
    coarse, fine = nerf.trace(model, rays, cfg, background=WHITE[None])
    assert coarse.seen.weights.shape == (2, 64)
    assert fine.seen.weights.shape == (2, 192)
    assert nerf.render(model, rays, cfg, background=WHITE).samples.tolist() == [256, 256]


def test_the_papers_rate_falls_from_5e_4_to_5e_5_exponentially():
    """5e-4 * 0.1^(step / (1000 decay)) with decay 500, whatever the budget."""
    (group,) = nerf.param_groups(built(PAPER)[0], PAPER)
    assert group["betas"] == (0.9, 0.999)
    assert group["eps"] == 1e-7
    for step, progress in ((0, 0.0), (1234, 0.9), (250_000, 0.1), (500_000, 1.0)):
        rate = group["lr"] * nerf.lr_factor(PAPER, step, progress)
        assert rate == pytest.approx(5e-4 * 0.1 ** (step / 500_000), rel=1e-12)


def test_the_laptops_rate_follows_the_budget_after_its_warm_up():
    cfg = nerf.Config()
    assert nerf.lr_factor(cfg, 0, 0.0) == pytest.approx(1 / 21)
    assert nerf.lr_factor(cfg, 10**6, 0.5) == pytest.approx(math.sqrt(cfg.final_rate))


def test_the_first_preset_is_what_users_get():
    assert next(iter(nerf.PRESETS.values())) == nerf.Config()
    assert list(nerf.PRESETS) == ["laptop", "paper"]


def test_the_loss_is_the_sum_of_both_networks_errors(generator):
    model, cfg = built(SMALL)
    rays = some_rays(40, generator)
    rgba = torch.rand(40, 4, generator=generator)
    terms = nerf.loss(model, RayBatch(rays, rgba), cfg, 0, generator=torch.Generator())
    with torch.no_grad():  # the same draws: the loss draws nothing else over white
        traced = nerf.trace(model, rays, cfg, background=WHITE[None], generator=torch.Generator())
    target = rgba[:, :3] * rgba[:, 3:] + 1 - rgba[:, 3:]
    wanted = [float((x.seen.color - target).square().mean()) for x in traced]
    assert [values(terms)[name] for name in ("coarse", "mse")] == pytest.approx(wanted)


@pytest.mark.parametrize("background", ["white", "black", "random"])
def test_nothing_in_front_of_any_background_is_shown_without_error(background, generator):
    """An empty field and transparent pixels: both show the background, each ray its own."""
    model, cfg = built(replace(SMALL, background=background))
    with torch.no_grad():
        for network in model.networks:
            network.density_head.bias.fill_(-100.0)
    rgba = torch.cat([torch.rand(40, 3, generator=generator), torch.zeros(40, 1)], -1)
    batch = RayBatch(some_rays(40, generator), rgba)
    assert values(nerf.loss(model, batch, cfg, 0, generator=generator)) == {"mse": 0, "coarse": 0}
    opaque = batch._replace(rgba=torch.cat([rgba[:, :3], torch.ones(40, 1)], -1))
    seen = {"white": torch.ones(40, 3), "black": torch.zeros(40, 3)}.get(background)
    error = values(nerf.loss(model, opaque, cfg, 0, generator=generator))["mse"]
    if seen is not None:
        assert error == pytest.approx(float((seen - rgba[:, :3]).square().mean()))
    else:
        assert error == pytest.approx(1 / 6, rel=0.3)  # of two independent uniform colours


def test_the_fine_networks_error_never_moves_the_coarse_one(generator):
    model, cfg = built(SMALL)
    batch = RayBatch(some_rays(40, generator), torch.rand(40, 4, generator=generator))
    nerf.loss(model, batch, cfg, 0, generator=generator)["mse"].backward()
    assert all(p.grad is None for p in model.coarse.parameters())
    assert all(p.grad is not None for p in model.fine.parameters())


def test_rays_that_miss_the_box_count_in_the_mean_and_cost_nothing(generator):
    model, cfg = built(SMALL)
    rays = some_rays(40, generator, miss=10)
    assert (rays.near >= rays.far).sum() == 10
    rgba = torch.zeros(40, 4)
    rgba[10:] = torch.rand(30, 4, generator=generator)
    all_terms = nerf.loss(model, RayBatch(rays, rgba), cfg, 0, generator=torch.Generator())
    hit = RayBatch(Rays(*(x[10:] for x in rays)), rgba[10:])
    terms = nerf.loss(model, hit, cfg, 0, generator=torch.Generator())
    assert values(all_terms)["mse"] == pytest.approx(0.75 * values(terms)["mse"])
    out = nerf.render(model, rays, cfg, background=WHITE)
    assert (out.samples[:10] == 0).all()
    assert torch.equal(out.color[:10], torch.ones(10, 3))


def test_a_batch_of_misses_has_no_gradient_and_no_error(generator):
    model, cfg = built(SMALL)
    batch = RayBatch(some_rays(5, generator, miss=5), torch.zeros(5, 4))
    terms = nerf.loss(model, batch, cfg, 0, generator=generator)
    sum(terms.values()).backward()
    assert values(terms) == {"mse": 0, "coarse": 0}
    assert not any(p.grad.any() for p in model.parameters())


@pytest.mark.parametrize(
    ("traits", "space"), [(OBJECT, "box"), (CAPTURE, "contracted"), (FORWARD, "ndc")]
)
def test_the_scene_decides_the_space(traits, space):
    cfg = nerf.adapt(nerf.Config(), traits)
    assert cfg.space == space
    assert cfg.background == ("white" if traits.alpha else "black")
    assert cfg.noise == (1.0 if space == "ndc" else 0.0)
    assert nerf.adapt(cfg, traits) == cfg


@pytest.mark.parametrize(
    ("space", "traits"),
    [("ndc", CAPTURE), ("ndc", OBJECT), ("box", CAPTURE), ("contracted", OBJECT)],
)
def test_a_space_that_does_not_fit_the_cameras_is_refused_in_one_line(space, traits):
    with pytest.raises(UsageError, match=f"space={space}") as error:
        nerf.adapt(nerf.Config(space=space), traits)
    assert "\n" not in str(error.value)


def test_noise_moves_training_alone(generator):
    model, cfg = built(replace(SMALL, noise=1.0))
    rays = some_rays(20, generator)
    views = [nerf.render(model, rays, cfg, background=WHITE).color for _ in range(2)]
    assert torch.equal(*views)
    quiet = replace(cfg, noise=0.0)
    seeds = [torch.Generator().manual_seed(1) for _ in range(2)]
    noisy, plain = (
        nerf.trace(model, rays, c, background=WHITE[None], generator=g)[0].seen.opacity
        for c, g in zip((cfg, quiet), seeds, strict=True)
    )
    assert not torch.allclose(noisy, plain, atol=1e-3)


def test_switches_of_the_ablations_change_what_they_say():
    assert isinstance(built(replace(SMALL, fine_samples=0))[0].coarse, NerfMLP)
    assert built(replace(SMALL, fine_samples=0))[0].fine is None
    assert built(replace(SMALL, views=False))[0].fine.bottleneck is None
    assert built(replace(SMALL, bands=0))[0].fine.trunk[0].weight.shape == (24, 3)


def test_without_fine_samples_there_is_one_term_and_one_network(generator):
    model, cfg = built(replace(SMALL, fine_samples=0))
    batch = RayBatch(some_rays(20, generator), torch.rand(20, 4, generator=generator))
    assert list(nerf.loss(model, batch, cfg, 0, generator=generator)) == ["mse"]
    assert nerf.render(model, batch.rays, cfg, background=WHITE).samples.max() == 12


def test_density_per_scene_length_gives_the_rendered_opacity(generator):
    """Through a contracted scene, within the unit ball, where lengths are the scene's."""
    model, cfg = built(SMALL, CAPTURE)
    rays = some_rays(5, generator)
    rays = rays._replace(
        origins=torch.zeros(5, 3), near=torch.zeros(5), far=torch.full((5,), 0.999)
    )
    cells, seen = nerf.trace(model, rays, cfg, background=WHITE[None])[-1]
    points = rays.origins[:, None] + cells.edges[:, :-1, None] * rays.directions[:, None]
    sigma = nerf.density(model)(points.flatten(0, 1)).view_as(cells.speed)
    depth = (sigma * cells.edges.diff(dim=-1)).sum(-1)
    torch.testing.assert_close(seen.opacity, 1 - torch.exp(-depth), rtol=1e-3, atol=1e-5)


def test_normals_come_from_the_density_of_a_model(generator):
    model, _ = built(SMALL)
    points = torch.rand(30, 3, generator=generator) - 0.5
    found = volume.normals(nerf.density(model), points)
    length = found.norm(dim=-1)
    assert ((length - 1).abs() < 1e-5).logical_or(length == 0).all()
    assert (length > 0).any()


def fitted(sampler, cfg, steps):
    model, cfg = built(cfg, sampler.traits)
    optimiser = Adam(nerf.param_groups(model, cfg))
    generator = torch.Generator().manual_seed(0)
    losses = []
    for step in range(steps):
        batch = sampler.sample(nerf.batch_size(model, cfg), generator=generator)
        terms = nerf.loss(model, batch, cfg, step, generator=generator)
        sum(terms.values()).backward()
        optimiser.step(nerf.lr_factor(cfg, step, step / steps))
        losses.append(float(terms["mse"].detach()))
    return model, cfg, losses


QUICK = replace(SMALL, width=32, rays=256, rate=5e-3)


@pytest.mark.parametrize("bands", [0, 8])
def test_no_network_starts_without_density(bands):
    """Of random networks 5 to 12 in 100 do, and would stay empty for ever."""
    cfg = replace(nerf.Config(), bands=bands, width=32)
    places = torch.rand(256, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for seed in range(20):
        model = nerf.build(cfg, generator=torch.Generator().manual_seed(seed))
        assert all((network.geometry(places)[0] > 0).any() for network in model.networks)


TINY = replace(SMALL, coarse_samples=8, fine_samples=8, rays=32, rate=4e-3, warmup=20)


def begun_anew(folder, cfg, photo_of_a_ball, *, seed, steps, build=nerf.build):
    """The seeds with which a training that starts with `seed` began anew; its last picture shows
    something."""

    class Method:
        batch_size, loss, lr_factor, render, density = (
            staticmethod(part)
            for part in (nerf.batch_size, nerf.loss, nerf.lr_factor, nerf.render, nerf.density)
        )

        @staticmethod
        def build(cfg, *, generator):
            return build(cfg, generator=generator)

    class Photos:
        def sample(self, n, *, generator):
            return photo_of_a_ball(n, int(torch.randint(1000, (1,), generator=generator)))

    data = describe_data(folder, folder, fingerprint="", splits={}, downscale=1)
    record = Record(
        method="nerf", config={}, data=data, traits={}, seed=seed,
        world_from_scene=torch.eye(4).tolist(), budget={"steps": steps, "seconds": None},
    )  # fmt: skip
    run, cfg = create_run(folder, record), nerf.adapt(cfg, OBJECT)
    model = build(cfg, generator=torch.Generator().manual_seed(seed))
    optimiser = Adam(nerf.param_groups(model, cfg))
    fit(Method(), model, cfg, sampler=Photos(), optimiser=optimiser, run=run, budget=Budget(steps))
    batch = photo_of_a_ball(128, 5000)
    with torch.no_grad():
        seen = nerf.render(model, batch.rays, cfg, background=torch.full((3,), 0.5))
    assert seen.opacity.max() > 0.2
    assert seen.color.std(dim=0).max() > 50 * collapse.ONE_COLOUR
    return [row["seed"] for row in read_log(run.log) if "restarted" in row]


def test_of_twenty_trainings_without_encoding_none_stays_blank(
    tmp_path, photo_of_a_ball, monkeypatch
):
    """Looked at sooner than usual, to be short. About one in twenty goes blank in its first steps:
    density falls below zero wherever it is sampled."""
    monkeypatch.setattr(collapse, "LOOKS", (25,))
    cfg = replace(TINY, bands=0, direction_bands=0, fine_samples=0)
    found = [
        begun_anew(tmp_path / str(seed), cfg, photo_of_a_ball, seed=seed, steps=35)
        for seed in range(20)
    ]
    assert sum(map(len, found)) < 8


def test_a_density_bias_that_starts_dead_is_noticed_and_begun_anew(tmp_path, photo_of_a_ball):
    """Both networks are empty everywhere, which no gradient mends."""

    def build(cfg, *, generator):
        model = nerf.build(cfg, generator=generator)
        if generator.initial_seed() == 7:
            for network in model.networks:
                network.density_head.bias.data.fill_(-50)
        return model

    assert begun_anew(tmp_path / "run", TINY, photo_of_a_ball, seed=7, steps=140, build=build) == [
        8
    ]


def test_it_learns_the_chair_within_seconds(data_dir):
    scene = load_scene(data_dir / "nerf_synthetic" / "chair", downscale=16)
    model, cfg, losses = fitted(PixelSampler(scene), QUICK, 80)
    frame = scene.split("test")[0]
    with torch.no_grad():
        out = nerf.render(model, view_rays(scene, frame), cfg, background=WHITE)
    image = view_image(frame)
    photo = image[..., :3] * image[..., 3:] + 1 - image[..., 3:]
    assert float(psnr(out.color.view_as(photo), photo)) > float(psnr(WHITE.expand_as(photo), photo))
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])


def test_it_learns_a_real_capture_with_a_distorting_lens(data_dir):
    scene = load_scene(data_dir / "ngp_fox", downscale=8)
    assert any(scene.frames[0].camera.distortion)
    _, cfg, losses = fitted(PixelSampler(scene), QUICK, 60)
    assert cfg.space == "contracted"
    assert all(map(math.isfinite, losses))
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])


class Wall:
    """Views of a striped wall at depth 2 from cameras that look along +z."""

    traits = FORWARD

    def sample(self, n, *, generator):
        origins = torch.rand(n, 3, generator=generator) * 0.2 - 0.1
        slopes = torch.rand(n, 2, generator=generator) * 0.8 - 0.4
        directions = torch.nn.functional.normalize(torch.cat([slopes, torch.ones(n, 1)], -1))
        t = (2 - origins[:, 2]) / directions[:, 2]
        hits = origins + t[:, None] * directions
        rgb = 0.5 + 0.5 * torch.sin(3 * hits.roll(1, dims=-1))
        near, far = torch.full((n,), 0.1), torch.full((n,), 1e6)
        rays = Rays(origins, directions, near, far, torch.zeros(n, dtype=torch.int64))
        return RayBatch(rays, torch.cat([rgb, torch.ones(n, 1)], -1))


def test_it_learns_a_wall_in_front_of_forward_facing_cameras(generator):
    model, cfg, losses = fitted(Wall(), replace(QUICK, infinite=True), 80)
    assert cfg.space == "ndc"
    assert sum(losses[-10:]) < 0.3 * sum(losses[:10])
    rays = Wall().sample(50, generator=generator).rays
    with torch.no_grad():
        out = nerf.render(model, rays, cfg, background=WHITE)
    assert (out.depth >= 0).all()
    assert out.depth.isfinite().all()
