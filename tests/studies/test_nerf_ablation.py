"""The ablation study of NeRF."""

from __future__ import annotations

import copy
import json

import pytest
import torch

from rayfield.data.pixels import PixelSampler
from rayfield.methods import nerf
from rayfield.studies.nerf_ablation import (
    COMPLETE,
    VARIANTS,
    Size,
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
    asked = 2 * base.coarse_samples + base.fine_samples
    assert (flat.coarse_samples, flat.fine_samples) == (asked, 0)  # as many queries a ray


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
    size = Size(seconds=0.2, side=25, views=2)
    found = examine(tmp_path, size, lambda done, what: None, base=TINY)
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    assert json.loads(json.dumps(found.numbers)) == found.numbers
    assert [row["photos"] for row in found.numbers["variants"].values()] == [72, 72, 72, 18, 72]
    numbers = copy.deepcopy(found.numbers)
    for index, row in enumerate(numbers["variants"].values()):
        row["psnr"] = 25.0 - index
    assert judge(numbers).holds
    assert "no view dependence +4.00" in judge(numbers).found
    numbers["variants"]["no positional encoding"]["psnr"] = 25.5
    assert not judge(numbers).holds
