"""Budgets."""

from __future__ import annotations

import math

import pytest

from rayfield.core.check import UsageError
from rayfield.train.progress import Budget


def test_steps_alone_end_training_and_measure_progress():
    budget = Budget(10)
    assert [budget.is_spent(step, 1e9) for step in (9, 10, 11)] == [False, True, True]
    assert [budget.progress(step, 0.0) for step in (0, 5, 10, 20)] == [0.0, 0.5, 1.0, 1.0]


def test_of_seconds_and_steps_what_ends_first_measures_progress():
    budget = Budget(10, 4.0)
    assert budget.progress(9, 1.0) == 0.9
    assert budget.progress(1, 3.0) == 0.75
    assert budget.progress(1, 9.0) == 1.0
    assert budget.is_spent(10, 1.0)
    assert budget.is_spent(1, 4.0)
    assert not budget.is_spent(9, 3.9)
    assert not Budget(None, 4.0).is_spent(10**9, 3.9)


def test_the_pace_is_the_steps_that_the_budget_will_allow():
    assert [Budget(7000).pace(step, 1.0) for step in (0, 1, 3333, 6999)] == [7000] * 4
    seconds = Budget(None, 10.0)
    assert seconds.pace(0, 0.0) is None
    assert seconds.pace(30, 2.5) == 120
    assert seconds.pace(30, 99.0) == 30
    assert Budget(50, 10.0).pace(30, 2.5) == 50


def test_remaining_time_is_that_of_the_end_that_comes_first():
    assert Budget(10).remaining(4, 2.0, 0.5) == 3.0
    assert Budget(None, 5.0).remaining(4, 2.0, 0.5) == 3.0
    assert Budget(10, 3.0).remaining(4, 2.0, 0.5) == 1.0
    assert Budget(10).remaining(12, 2.0, 0.5) == 0.0


@pytest.mark.parametrize(
    ("steps", "seconds"),
    [(None, None), (0, None), (-1, None), (10**18, None), (None, 0.0), (5, math.nan),
     (5, math.inf), (5, -1.0)],
)  # fmt: skip
def test_budget_out_of_range_is_a_usage_error(steps: int | None, seconds: float | None):
    with pytest.raises(UsageError):
        Budget(steps, seconds)
