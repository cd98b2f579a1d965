"""The quadrature study: orders of convergence, the wrong rule, the oracle, the verdict."""

from __future__ import annotations

import copy
import json
import math

import pytest
import torch

from rayfield.studies import media, quadrature
from rayfield.studies.quadrature import RULES, Size, error, examine, order, weight_sum

CELLS = [2**k for k in range(2, 10)]
MEDIA = {medium.name: medium for medium in media.all_media()}


def measured(name: str, rule: str) -> float | None:
    weights, place, _ = RULES[rule]
    return order(CELLS, [error(MEDIA[name], n, rule=weights, place=place) for n in CELLS])


@pytest.mark.parametrize("name", quadrature.SMOOTH)
def test_orders_are_two_at_midpoints_and_one_at_first_edges(name):
    assert measured(name, "midpoint") == pytest.approx(2, abs=0.05)
    assert measured(name, "first edge") == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("name", quadrature.EXACT)
@pytest.mark.parametrize("cells", [4, 64])
def test_slabs_are_exact_where_cells_match_them(name, cells):
    weights, _, _ = RULES["midpoint"]
    for place in (0.0, 0.5):
        assert error(MEDIA[name], cells, rule=weights, place=place) < 1e-14


@pytest.mark.parametrize("name", [*quadrature.EXACT, *quadrature.SMOOTH])
def test_the_wrong_rule_is_first_order_everywhere(name):
    assert measured(name, "wrong rule") == pytest.approx(1, abs=0.05)


def test_weights_of_the_wrong_rule_add_up_to_x_over_1_minus_exp_minus_x():
    for x in (0.1, 1.0, 3.0):
        found = weight_sum(quadrature.frozen_weights, x, total=40.0)
        assert found == pytest.approx(x / -math.expm1(-x), rel=1e-12)
        assert found > 1 > weight_sum(RULES["midpoint"][0], x)


def test_cells_across_a_border_cost_an_order():
    weights, place, _ = RULES["midpoint"]
    errors = [error(MEDIA[quadrature.BALL], n, rule=weights, place=place) for n in CELLS]
    assert 1e-3 < errors[-1] * CELLS[-1] < 3
    assert errors[-1] < errors[0] / 30


@pytest.mark.parametrize("name", MEDIA)
def test_free_paths_end_where_the_closed_form_says(name, generator):
    medium = MEDIA[name]
    paths = media.free_paths(medium, 200_000, generator=generator)
    deviation = float(paths.std()) / math.sqrt(len(paths))
    assert abs(float(paths.mean()) - float(medium.exact.mean())) < 4 * deviation


@pytest.mark.parametrize("name", MEDIA)
def test_no_density_exceeds_the_bound_that_free_paths_rely_on(name):
    medium = MEDIA[name]
    t = torch.linspace(medium.start, medium.end, 1000, dtype=torch.float64)[None]
    assert float(medium.sigma(t).max()) <= medium.most * (1 + 1e-12)


def test_an_exact_rule_has_no_order_and_noise_does_not_become_one():
    assert order([4, 8, 16, 32], [1e-16, 0.0, 2e-16, 1e-17]) is None
    assert order([4, 8, 16, 32, 64, 128], [n**-1.5 for n in (4, 8, 16, 32, 64, 128)]) == (
        pytest.approx(1.5)
    )


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quadrature")
    found = examine(folder, Size(doublings=7, paths=1 << 12), lambda done, what: None)
    assert (folder / "figure.png").stat().st_size > 10_000
    return found


def test_the_study_confirms_the_claim_with_numbers_that_json_takes(findings):
    assert findings.verdict.holds, findings.verdict.found
    assert json.loads(json.dumps(findings.numbers)) == findings.numbers


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("media", "linear ramp", "orders", "midpoint"), 1.5),
        (("media", "Gaussian cloud", "orders", "first edge"), None),
        (("media", "slab", "orders", "wrong rule"), 2.0),
        (("media", "slab", "errors", "midpoint"), [1e-6]),
        (("media", "slab", "monte_carlo_sigmas"), -5.0),
        (("weight_sums", "wrong rule"), [0.9]),
        (("weight_sums", "midpoint"), [1.1]),
    ],
)
def test_each_part_of_the_claim_can_fail(findings, path, value):
    numbers = copy.deepcopy(findings.numbers)
    place = numbers
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert not quadrature.judge(numbers).holds
