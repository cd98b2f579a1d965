"""Finding numbers that are not finite, and backing off."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from rayfield.train import guard
from rayfield.train.guard import bad_gradient, bad_tensor, bad_term, count_step
from rayfield.train.progress import State


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_bad_term_is_named(value: float):
    terms = {"mse": torch.tensor(1.0), "distortion": torch.tensor(value)}
    assert bad_term(terms, 1.0 + value) == "loss term 'distortion'"


def test_finite_terms_pass_and_an_overflowing_sum_is_named():
    huge = torch.tensor(3e38)
    assert bad_term({"a": huge}, 3e38) is None
    assert bad_term({"a": huge, "b": huge}, math.inf) == "sum of the loss terms"


def parameters(size: int = 4) -> dict[str, nn.Parameter]:
    named = {"small": nn.Parameter(torch.zeros(4)), "table": nn.Parameter(torch.zeros(size))}
    for parameter in named.values():
        parameter.grad = torch.zeros_like(parameter)
    return named


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["small", "table"])
def test_bad_gradient_is_named_in_every_step(name: str, value: float):
    named = parameters()
    assert bad_gradient(named, 1) is None
    named[name].grad[2] = value
    assert bad_gradient(named, 1) == f"gradient of {name!r}"


def test_infinities_of_both_signs_do_not_cancel():
    named = parameters()
    named["small"].grad[0], named["small"].grad[1] = math.inf, -math.inf
    assert bad_gradient(named, 1) == "gradient of 'small'"


def test_large_tables_are_looked_at_from_time_to_time():
    named = parameters(guard.SMALL + 1)
    named["table"].grad[5] = math.nan
    found = [step for step in range(200) if bad_gradient(named, step)]
    assert found == [0, 50, 100, 150]


def test_gradients_whose_sum_alone_overflows_pass():
    named = parameters()
    named["small"].grad[:] = 3e38
    assert bad_gradient(named, 1) is None


def test_parameters_without_gradient_pass():
    assert bad_gradient({"frozen": nn.Parameter(torch.zeros(2))}, 0) is None
    assert bad_gradient({}, 0) is None


def test_bad_tensor_is_named_and_infinite_buffers_are_allowed():
    model = nn.BatchNorm1d(3)
    assert bad_tensor(model) is None
    model.running_var[0] = math.inf
    assert bad_tensor(model) is None
    model.running_mean[0] = math.nan
    assert bad_tensor(model) == "tensor 'running_mean'"
    model.weight.data[0] = math.inf
    assert bad_tensor(model) == "tensor 'weight'"


def test_rate_is_halved_by_bad_steps_and_recovers_a_tenth_in_a_hundred_good_ones():
    state = State()
    count_step(state, "loss term 'mse'")
    count_step(state, "loss term 'mse'")
    assert (state.step, state.bad, state.backoff) == (2, 2, 0.25)
    for _ in range(99):
        count_step(state, None)
    assert (state.bad, state.backoff) == (0, 0.25)
    count_step(state, None)
    assert state.backoff == pytest.approx(0.275)
    for _ in range(10_000):
        count_step(state, None)
    assert state.backoff == 1.0
