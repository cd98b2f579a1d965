"""The study of one wall: theory derived anew, the verdict, and that each part of it can fail."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pytest

from rayfield.studies import one_wall
from rayfield.studies.one_wall import coarse, examine, fine, gumbel


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wall")
    found = examine(folder, 4000, lambda done, what: None)
    assert (folder / "figure.png").stat().st_size > 10_000
    return found


def test_the_study_confirms_the_claim_with_numbers_that_json_takes(findings):
    assert findings.verdict.holds, findings.verdict.found
    assert json.loads(json.dumps(findings.numbers)) == findings.numbers


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("NeuS", "mean_by_sharpness"), [0.01] * 9),
        (("VolSDF", "mean_by_sharpness"), [0.0] * 9),
        (("NeuS", "peak_times_s"), [-0.1] * 9),
        (("naive density", "peak_times_s"), [0.0] * 9),
        (("VolSDF", "transmittance_by_angle"), [math.exp(-0.5)] * 17),
        (("naive density", "opacity_by_angle"), [1.0] * 17),
        (("UNISURF", "mean_by_samples"), [0.0] * 6),
    ],
)
def test_each_part_of_the_claim_can_fail(findings, path, value):
    numbers = copy.deepcopy(findings.numbers)
    numbers[path[0]][path[1]] = value
    assert not one_wall.judge(numbers).holds


def test_the_peaks_of_theory_are_where_the_slope_of_the_weight_vanishes():
    """Of -log w: derivatives by finite differences of the closed forms."""
    q = one_wall.GOLDEN

    def volsdf(u):  # behind the face
        return -math.log(1 - math.exp(-u) / 2) + 0.5 + u - (1 - math.exp(-u)) / 2

    def naive(u):
        inside = 1 / (1 + math.exp(-u))
        return -math.log(inside * (1 - inside)) + inside

    for cost, peak in ((volsdf, -math.log(2 * q)), (naive, math.log(q / (1 - q)))):
        assert abs(cost(peak + 1e-4) - cost(peak - 1e-4)) < 1e-10


def test_the_law_of_gumbel_tells_where_unisurf_sees_a_wall():
    assert coarse("UNISURF", 10.0, samples=1024) == pytest.approx(gumbel(10.0, 1024), abs=2e-3)
    # A binary occupancy ends rays at their first sample inside: half a spacing behind, on average.
    assert coarse("UNISURF", 1e5, samples=64) == pytest.approx(1 / 64, rel=1e-3)


def test_all_models_come_to_the_wall_as_they_grow_sharp():
    for name in one_wall.CONTINUOUS:
        means = [abs(fine(name, s, cells=4000).mean) for s in (10.0, 100.0, 1000.0)]
        assert means[2] < 1e-3
        assert np.all(np.diff(means) <= 1e-12)
