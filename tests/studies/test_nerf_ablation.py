"""The ablation study of NeRF."""

from __future__ import annotations

import copy
import json

import pytest
import torch

from rayfield.data.pixels import PixelSampler, view_rays
from rayfield.methods import nerf
from rayfield.studies.nerf_ablation import (
    COMPLETE,
    VARIANTS,
    VIEWLESS,
    Size,
    asked,
    examine,
    judge,
    thinned,
    widest_gap,
)

TINY = nerf.Config(width=8, depth=2, coarse_samples=4, fine_samples=4, rays=64)


def test_each_variant_leaves_out_one_part_only():
    base = nerf.Config()
    changed = {name: variant.change(base) for name, variant in VARIANTS.items()}
    assert changed[COMPLETE] == changed["a quarter of the photos"] == base
    assert not changed["no view dependence"].views
    assert changed["no positional encoding"].bands == 0
    flat = changed["no hierarchical sampling"]
    assert flat.fine_samples == 0


def test_every_variant_asks_as_often_and_sees_as_many_rays():
    changed = [variant.change(nerf.Config()) for variant in VARIANTS.values()]
    assert len({(asked(cfg), cfg.rays, cfg.steps) for cfg in changed}) == 1


def test_queries_are_in_the_papers_proportion_to_the_pixels():
    paper, size = nerf.PRESETS["paper"], Size()
    assert size.samples[0] / paper.coarse_samples == size.samples[1] / paper.fine_samples
    assert size.samples[0] / paper.coarse_samples == size.side / 800


@pytest.mark.parametrize("name", VARIANTS)
def test_queries_are_those_of_a_render(name, scene, generator):
    cfg = nerf.adapt(VARIANTS[name].change(TINY), scene.traits)
    model = nerf.build(cfg, generator=generator)
    rays = view_rays(scene, scene.split("test")[0])
    seen = nerf.render(model, rays, cfg, background=torch.ones(3))
    assert set(seen.samples.tolist()) <= {0, asked(cfg)}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_builds_and_has_a_finite_loss(name, scene, generator):
    cfg = nerf.adapt(VARIANTS[name].change(TINY), scene.traits)
    model = nerf.build(cfg, generator=generator)
    batch = PixelSampler(scene).sample(64, generator=generator)
    terms = nerf.loss(model, batch, cfg, 0, generator=generator)
    assert torch.isfinite(torch.stack(list(terms.values()))).all()


def test_a_quarter_of_the_photos_is_spread_around(scene):
    found = thinned(scene, 0.25)
    assert len(found.split("train")) == 18
    assert thinned(scene, 1.0) is scene


def test_the_crop_is_where_the_first_picture_wins_most():
    truth = torch.zeros(30, 60, 3)
    worse = truth.clone()
    worse[12:18, 40:46] = 1
    row, column, side = widest_gap(truth, [truth, worse, truth])
    assert side == 10
    assert row <= 12
    assert row + side >= 18
    assert column <= 40
    assert column + side >= 46


def test_the_study_runs_and_its_verdict_needs_every_gap(tmp_path):
    size = Size(steps=3, side=25, samples=(4, 4), views=2)
    found = examine(tmp_path, size, lambda done, what: None, base=TINY)
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    assert json.loads(json.dumps(found.numbers)) == found.numbers
    assert [row["photos"] for row in found.numbers["variants"].values()] == [72, 72, 72, 18, 72]
    numbers = copy.deepcopy(found.numbers)
    for index, row in enumerate(numbers["variants"].values()):
        row |= {"psnr": 25.0 - index, "glossy_psnr": 20.0 - 3 * index}
    assert judge(numbers).holds
    assert "no view dependence +12.00 on glossy pixels (+4.00 on all)" in judge(numbers).found
    numbers["variants"]["no positional encoding"]["psnr"] = 25.5
    assert not judge(numbers).holds


def test_view_dependence_is_judged_on_glossy_pixels_where_they_are_known():
    row = {"psnr": 20.0, "glossy_psnr": 20.0, "published_psnr": 30.0, "queries": 9}
    variants = {COMPLETE: row, VIEWLESS: row | {"psnr": 20.5, "glossy_psnr": 19.0}}
    assert judge({"steps": 5, "variants": variants}).holds
    variants[VIEWLESS] |= {"psnr": 19.5, "glossy_psnr": 21.0}
    assert not judge({"steps": 5, "variants": variants}).holds
    variants[VIEWLESS]["glossy_psnr"] = None  # the user's photos
    assert judge({"steps": 5, "variants": variants}).holds
