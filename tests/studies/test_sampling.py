"""The sampling study, and its two strategies."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest
import torch

from rayfield.core.check import DataError
from rayfield.methods import nerf
from rayfield.studies import sampling, strategies

SIZE = sampling.Size(
    steps=60, side=25, rays=60, queries=(16, 64, 96), shown=(16, 64), reference=192
)
TINY = nerf.Config(width=8, depth=2, coarse_samples=6, fine_samples=5, rays=64)


@pytest.fixture(scope="module")
def pair(scene):
    """Networks as they begin, somewhat dense."""
    cfg = nerf.adapt(TINY, scene.traits)
    model = nerf.build(cfg, generator=torch.Generator().manual_seed(3))
    return strategies.trained(model, cfg, 1.0)


@pytest.fixture(scope="module")
def rays(scene):
    return sampling.subject_rays(scene, 40)


@pytest.mark.parametrize("queries", [16, 64, 97, 256])
def test_both_strategies_ask_as_often_as_they_may_and_within_the_ray(pair, rays, queries):
    coarse, fine = strategies.split(queries)
    assert 2 * coarse + fine == queries
    for strategy, places in (
        (strategies.uniform, queries),
        (strategies.hierarchical, coarse + fine),
    ):
        seen = strategy(pair, rays, queries)
        assert seen.places.shape == (len(rays.near), places)
        assert (seen.places.diff(dim=1) >= 0).all()
        assert (seen.places >= rays.near[:, None] - 1e-5).all()
        assert (seen.places <= rays.far[:, None] + 1e-5).all()


def test_the_paper_s_queries_are_split_as_in_the_paper():
    assert strategies.split(256) == (64, 128)


def test_both_strategies_show_what_the_method_shows_at_its_own_sizes(pair, rays):
    white = torch.ones(3)
    cfg = replace(pair.cfg, coarse_samples=8, fine_samples=16)
    found = strategies.render(strategies.hierarchical, pair, rays, queries=32)
    assert torch.allclose(found, nerf.render(pair.pair, rays, cfg, background=white).color)
    cfg = replace(pair.cfg, coarse_samples=32, fine_samples=0)
    found = strategies.render(strategies.uniform, pair, rays, queries=32)
    assert torch.allclose(found, nerf.render(pair.alone, rays, cfg, background=white).color)


def test_uniform_queries_ask_the_network_that_views_show(pair):
    assert pair.alone.networks[-1] is pair.pair.networks[-1]
    assert len(pair.alone.networks) == 1


def test_rays_that_miss_the_scene_show_what_is_behind(pair, rays):
    zero = torch.zeros_like(rays.near)
    missing = rays._replace(near=zero, far=zero)
    grey = pair._replace(background=torch.full((1, 3), 0.25))
    found = strategies.render(strategies.uniform, grey, missing, queries=8)
    assert torch.equal(found, torch.full_like(found, 0.25))


def test_savings_are_read_off_the_uniform_curve():
    queries = (10, 100, 1000)
    found = sampling.savings(queries, [1.0, 0.1, 0.01], hierarchical=[0.1, 0.05, 0.001])
    assert found[0] == pytest.approx(10)
    assert found[1] == pytest.approx(2)
    assert found[2] is None  # better than any uniform number tried


def test_a_scene_whose_rays_have_no_end_is_refused(tmp_path, scene, monkeypatch):
    endless = replace(scene, traits=scene.traits._replace(bounded=False))
    monkeypatch.setattr(sampling, "sized", lambda data, side: endless)
    with pytest.raises(DataError, match="give photos with a transparent background"):
        sampling.examine(tmp_path, SIZE, lambda done, what: None, base=TINY)


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sampling")
    found = sampling.examine(folder, SIZE, lambda done, what: None, base=TINY)
    assert (folder / "figure.png").stat().st_size > 10_000
    return found


def test_the_study_counts_what_it_compared(findings):
    assert findings.numbers["rays"] > 30
    assert json.loads(json.dumps(findings.numbers)) == findings.numbers
    for errors in findings.numbers["rms_error"].values():
        assert len(errors) == 3


def test_the_verdict_needs_coarse_and_fine_to_win_from_64_queries_on(findings):
    numbers = copy.deepcopy(findings.numbers)
    numbers["rms_error"] = {"uniform": [0.1, 0.02, 0.01], "coarse + fine": [0.2, 0.01, 0.005]}
    assert sampling.judge(numbers).holds
    numbers["rms_error"]["coarse + fine"][2] = 0.02
    assert not sampling.judge(numbers).holds
