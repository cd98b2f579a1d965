"""Averages in closed form, the calmest moment, and the weights to fall back to."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from rayfield.fields.memory import PACE, SPACING, CalmAverage, GoodWeights


def outputs(count: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(2, 3, generator=generator) for _ in range(count)]


def test_the_average_is_the_weighted_sum_of_all_outputs():
    f, xs = 0.9, outputs(60)
    memory = CalmAverage((2, 3), f)
    for x in xs:
        memory.add(x, patience=0)
    weights = [max(1 - f, 1 / (1 + k / 5)) for k in range(60)]
    shares = [w * math.prod(1 - v for v in weights[k + 1 :]) for k, w in enumerate(weights)]
    assert sum(shares) == pytest.approx(1)
    exact = sum(share * x for share, x in zip(shares, xs, strict=True))
    torch.testing.assert_close(memory.average, exact)


def test_the_average_of_a_constant_is_that_constant():
    memory = CalmAverage((2, 3), 0.99)
    for _ in range(5):
        memory.add(torch.full((2, 3), 0.3), patience=0)
    torch.testing.assert_close(memory.average, torch.full((2, 3), 0.3))


def test_the_variance_follows_its_recursion():
    memory, mean, variance = CalmAverage((2, 3), 0.99), torch.zeros(2, 3), 0.0
    for x in outputs(30):
        memory.add(x, patience=0)
        variance = (1 - PACE) * (variance + PACE * float((x - mean).square().mean()))
        mean = (1 - PACE) * mean + PACE * x
    assert memory.variance.item() == pytest.approx(variance, rel=1e-5)


def wobbling(amplitudes: list[float], *, patience: int, factor: float = 0.9) -> CalmAverage:
    """Outputs that alternate about a level that rises by 1e-3 a step."""
    memory = CalmAverage((1,), factor)
    for k, amplitude in enumerate(amplitudes):
        memory.add(torch.tensor([0.5 + 1e-3 * k + amplitude * (-1) ** k]), patience=patience)
    return memory


CALM = [0.3] * 40 + [0.01] * 60 + [0.3] * 100


def test_the_calmest_moment_is_where_the_outputs_vary_least():
    memory = wobbling(CALM, patience=1000)
    assert 90 < memory.calm_at <= 101


def test_the_calmest_average_is_the_one_a_lag_after_the_calmest_moment():
    memory = wobbling(CALM, patience=1000)
    end = int(memory.calm_at) + 10
    assert torch.equal(memory.calmest, wobbling(CALM[:end], patience=1000).average)


def test_calm_that_comes_after_patience_is_over_changes_nothing():
    later = [*CALM, *[0.0] * 60]
    assert wobbling(later, patience=1000).calm_at > 200
    assert torch.equal(wobbling(later, patience=50).calmest, wobbling(CALM, patience=50).calmest)


def test_before_any_output_calms_down_the_calmest_is_the_newest_average():
    memory = wobbling([0.3, 0.3, 0.3], patience=50)
    assert torch.equal(memory.calmest, memory.average)


def values(net: nn.Module) -> torch.Tensor:
    return torch.nn.utils.parameters_to_vector(net.parameters()).detach().clone()


def shift(net: nn.Module) -> None:
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(1.0)


@pytest.mark.parametrize(
    ("error", "lost"), [(0.1, False), (0.316, False), (0.317, True), (float("nan"), True)]
)
def test_weights_come_back_bit_for_bit_when_the_error_rises_by_more_than_5_decibels(error, lost):
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    good = GoodWeights(net)
    assert not good.restores(net, torch.tensor(0.1), decibels=5.0)
    before = values(net)
    shift(net)
    assert good.restores(net, torch.tensor(error), decibels=5.0) is lost
    assert torch.equal(values(net), before) is lost


def test_the_good_weights_are_a_copy():
    net = nn.Linear(3, 2)
    good = GoodWeights(net)
    good.restores(net, torch.tensor(0.1), decibels=5.0)
    for _ in range(2):
        shift(net)
        assert good.restores(net, torch.tensor(9.0), decibels=5.0)
    assert torch.equal(values(net), good.weights)


def test_nothing_is_lost_before_anything_was_good():
    net = nn.Linear(3, 2)
    assert not GoodWeights(net).restores(net, torch.tensor(1e9), decibels=5.0)


def test_good_weights_are_taken_at_the_first_look_and_after_every_spacing():
    net = nn.Linear(3, 2)
    good, taken = GoodWeights(net), []
    for look in range(2 * SPACING + 1):
        good.restores(net, torch.tensor(1.0 + look / 1e3), decibels=5.0)
        taken.append(round((good.error.item() - 1) * 1e3))
    assert taken == [0] * SPACING + [SPACING] * SPACING + [2 * SPACING]
