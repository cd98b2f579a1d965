"""The eikonal study: what it measures, the collapse, going on, the verdict."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from rayfield.fields.geometric import GeometricMLP
from rayfield.studies import eikonal as study
from rayfield.studies.eikonal import CELLS, LAMBDA, LOSSES, Size, examine, learn
from rayfield.studies.outlines import circle

TINY = Size(2, 1, 8, 2)


def flat_network(slope: float) -> GeometricMLP:
    """f = slope x: a network of one layer."""
    network = GeometricMLP(8, 1)
    first_weight, first_bias, weight, bias = network.parameters()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        first_weight[0, 0], weight[0, 0] = 1.0, slope
        first_bias[0], bias[0] = 10.0, -10.0 * slope  # far from the bend of the softplus
    return network


@pytest.mark.parametrize(("slope", "cost"), [(0.0, 1.0), (1.0, 0.0), (2.0, 1.0)])
def test_the_eikonal_term_costs_nothing_at_slope_one_and_its_weight_at_zero_and_two(
    slope, cost, generator
):
    """C18."""
    network, outline = flat_network(slope), circle(100)
    with_term, without = (
        float(study._energy(network, outline, loss, generator=generator).detach())
        for loss in ("points, eikonal", "points")
    )
    assert with_term - without == pytest.approx(LAMBDA * cost, abs=1e-5)


def test_points_alone_are_fitted_by_nothing():
    network = flat_network(0.0)
    generator = torch.Generator().manual_seed(0)
    assert float(study._energy(network, circle(100), "points", generator=generator).detach()) == 0


def test_the_distance_to_the_zero_set_is_measured_off_the_grid():
    line = np.linspace(-1, 1, CELLS)
    x, y = np.meshgrid(line, line)
    outline = circle(200)
    for radius in (0.7, 0.6):
        found = study._to_zero_set(np.hypot(x, y) - radius, outline)
        assert found == pytest.approx(0.7 - radius, abs=0.012)
    assert study._to_zero_set(np.ones((CELLS, CELLS)), outline) is None


def test_the_term_keeps_the_slope_up_and_its_absence_lets_it_fall():
    slopes = {}
    for loss in ("points", "points, eikonal"):
        generator = torch.Generator().manual_seed(0)
        network = learn(circle(100), loss, size=Size(80, 1, 32, 3), generator=generator)
        slopes[loss] = float(study._in_plane(network, study._grid())[1].detach().norm(dim=1).mean())
    assert 2 * slopes["points"] < slopes["points, eikonal"] < 1.3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("eikonal")


@pytest.fixture(scope="module")
def findings(folder):
    return examine(folder, TINY, lambda done, what: None)


def test_every_case_is_measured_drawn_and_kept(findings, folder, monkeypatch):
    assert len(findings.numbers["cases"]) == 3 * len(LOSSES)
    assert (folder / "figure.png").stat().st_size > 30_000
    monkeypatch.setattr(study, "learn", None)
    assert examine(folder, TINY, lambda done, what: None) == findings


def good(cases: list[dict]) -> list[dict]:
    return [{**c, "slope": 0.02, "slope_deviation": 0.1, "points_to_zero_set": 0.01} for c in cases]


@pytest.mark.parametrize(
    ("case", "key", "value"),
    [
        (None, "", 0.0),
        (0, "slope", 0.9),
        (2, "slope_deviation", 0.5),
        (3, "points_to_zero_set", 0.2),
        (2, "points_to_zero_set", None),
    ],
)
def test_the_verdict_follows_the_numbers(findings, case, key, value):
    numbers = {"cases": good(copy.deepcopy(findings.numbers["cases"]))}
    if case is not None:
        numbers["cases"][case][key] = value
    assert study.judge(numbers).holds == (case is None)
