"""The study of tracing against volume rendering, at a small size; and that its claim can fail."""

from __future__ import annotations

import copy
import json

import pytest
import torch

from rayfield.studies import surface_vs_volume as study
from rayfield.studies.surface_vs_volume import RULES, Size, inner, rendered, traced, view_rays

SMALL = Size(side=32, samples=256, counts=(32, 64, 256))


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("views")
    found = study.examine(folder, SMALL, lambda done, what: None)
    assert (folder / "figure.png").stat().st_size > 10_000
    return found


def test_differences_fall_as_the_surface_hardens_and_samples_are_added(findings):
    numbers = findings.numbers
    for name in RULES:
        assert numbers["by_sharpness"][name][-1] < 2  # cells of 0.014
        assert numbers["by_sharpness"][name][0] > 5
        assert numbers["by_samples"][name][-1] < numbers["by_samples"][name][0]
    assert numbers["missed"]["mended"] < 0.01 < numbers["missed"]["stretched"]
    assert json.loads(json.dumps(numbers))["side"] == 32


@pytest.mark.parametrize("name", RULES)
def test_hard_surfaces_have_the_depth_that_tracing_finds(name):
    rays = view_rays(48)
    exact, view = traced(study.shape, rays), rendered(RULES[name], rays, sharpness=1e4, samples=200)
    kept = inner(exact.depth, 48)
    assert kept.sum() > 100
    assert (view.depth - exact.depth)[kept].abs().median() < 0.015


def test_silhouettes_are_left_out():
    depth = torch.zeros(16, 16)
    depth[4:12, 4:12] = 2.0
    depth[8:12, 4:12] = 3.0  # ten pixels of 16 are 0.625
    kept = inner(depth.flatten(), 16).view(16, 16)
    assert kept.sum() == 2 * 6 * 2
    assert not kept[7:9].any()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("by_sharpness", "VolSDF"), [20.0, 1.5]),
        (("by_sharpness", "NeuS"), [2.0, 0.1]),
        (("missed", "mended"), 0.01),
        (("missed", "stretched"), 0.0),
    ],
)
def test_each_part_of_the_claim_can_fail(findings, path, value):
    numbers = copy.deepcopy(findings.numbers)
    numbers["by_sharpness"] = {name: [20.0, 0.1] for name in RULES}
    numbers["missed"] = {"mended": 0.0, "stretched": 0.2, "coarse": 0.1}
    assert study.judge(numbers).holds
    numbers[path[0]][path[1]] = value
    assert not study.judge(numbers).holds
