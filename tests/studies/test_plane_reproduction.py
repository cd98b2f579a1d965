"""The plane study: convergence to the normal, saddles, shrinking by noise, the verdict."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from rayfield.studies import plane_reproduction as study
from rayfield.studies.linear_model import descend, distance, plane_points, predicted, starts
from rayfield.studies.plane_reproduction import Size, examine


@pytest.mark.parametrize("strength", [2.0, 0.1])
def test_random_starts_reach_the_normal_with_unit_length(strength, generator):
    """C17."""
    points, n = plane_points(3, 0.0, generator=generator)
    assert float((points @ n).abs().max()) < 1e-14
    end = descend(points, starts(100, 3, generator=generator), strength=strength, steps=20_000)
    assert float((end.w.norm(dim=1) - 1).abs().max()) < 1e-8
    assert float(distance(end.w, n).max()) < 1e-8
    assert end.steps < 20_000


def test_one_step_is_that_of_automatic_differentiation(generator):
    points, _ = plane_points(4, 0.3, offset=0.5, generator=generator)
    start = starts(5, 4, generator=generator)
    end = descend(points, start, strength=0.7, steps=1, offset=True)
    for w0, w1, b1 in zip(start, end.w, end.b, strict=True):
        w = w0.clone().requires_grad_()
        b = torch.zeros((), dtype=torch.float64, requires_grad=True)
        energy = (points @ w + b).square().mean() + 0.7 * (w.square().sum() - 1) ** 2
        energy.backward()
        steps = torch.cat([(w0 - w1) / w.grad, (-b1 / b.grad)[None]])
        assert torch.allclose(steps, steps[0].expand(5), rtol=1e-9)
        assert float(steps[0]) > 0


def test_noise_shrinks_the_limit_as_the_theory_says(generator):
    points, _ = plane_points(3, 0.2, generator=generator)
    limit, least = predicted(points, 0.1)
    end = descend(points, starts(50, 3, generator=generator), strength=0.1, steps=40_000)
    assert float(distance(end.w, limit).max()) < 1e-8
    assert float(limit.norm()) == pytest.approx(math.sqrt(1 - least / 0.2))
    assert 0.02 < least < 0.06


def test_too_much_noise_leaves_nothing(generator):
    points, _ = plane_points(3, 0.8, generator=generator)
    end = descend(points, starts(20, 3, generator=generator), strength=0.1, steps=5_000)
    assert float(end.w.norm(dim=1).max()) < 1e-6


def test_a_start_without_a_part_along_n_never_gets_one():
    found = study.bad_luck(Size(20, (3,), 20_000))
    assert found["along_n"] == 0.0
    assert found["at_saddle"] == 20
    assert found["norm"] < 0.95


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plane")
    found = examine(folder, Size(30, (2, 3), 20_000), lambda done, what: None)
    assert (folder / "figure.png").stat().st_size > 20_000
    return found


def test_the_claim_holds_at_a_small_size(findings):
    assert findings.verdict.holds, findings.verdict.found
    assert len(findings.numbers["cases"]) == 12


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("cases", 3, "arrived"), 29),
        (("bad_luck", "at_saddle"), 3),
        (("offset", "0.0", "arrived"), 29),
        (("noise", "norm"), [2.0] * 15),
    ],
)
def test_each_part_of_the_claim_can_fail(findings, path, value):
    numbers = copy.deepcopy(findings.numbers)
    place = numbers
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert not study.judge(numbers).holds
