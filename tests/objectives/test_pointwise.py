"""Misfit and overlap of samples."""

from __future__ import annotations

import math

import pytest
import torch

from rayfield.objectives.pointwise import clamped_error, iou, misfit


def test_squared_error_is_the_mean_over_kept_samples_and_channels():
    raw = torch.zeros(3, 2)
    values = torch.tensor([[0.5, 1.0], [0.0, 0.5], [9.0, 9.0]])
    keep = torch.tensor([True, True, False])
    found = misfit(raw, values, keep, kind="mse")
    assert list(found) == ["mse"]
    assert float(found["mse"]) == pytest.approx(0.5 / 4)


def test_cross_entropy_of_a_logit_is_minus_the_log_of_its_probability():
    raw, keep = torch.tensor([[2.0], [-1.0]]), torch.ones(2, dtype=torch.bool)
    found = misfit(raw, torch.tensor([[1.0], [0.0]]), keep, kind="bce")["bce"]
    expected = (math.log1p(math.exp(-2.0)) + math.log1p(math.exp(-1.0))) / 2
    assert float(found) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", ["mse", "bce"])
def test_misfit_vanishes_in_value_and_gradient_where_nothing_is_kept(kind):
    raw = torch.randn(4, 1, generator=torch.Generator().manual_seed(0), requires_grad=True)
    found = misfit(raw, torch.ones(4, 1), torch.zeros(4, dtype=torch.bool), kind=kind)[kind]
    found.backward()
    assert found.item() == 0
    assert not raw.grad.any()


def test_hidden_samples_get_no_gradient():
    raw = torch.zeros(2, 1, requires_grad=True)
    misfit(raw, torch.ones(2, 1), torch.tensor([True, False]), kind="bce")["bce"].backward()
    assert raw.grad[0] != 0
    assert raw.grad[1] == 0


def test_overlap_counts_intersection_over_union():
    found = torch.tensor([0.9, 0.6, 0.4, 0.1])
    assert float(iou(found, torch.tensor([True, False, True, False]))) == pytest.approx(1 / 3)
    assert float(iou(found, found > 0.5)) == 1
    assert float(iou(torch.zeros(3), torch.zeros(3, dtype=torch.bool))) == 1
    assert float(iou(torch.ones(3), torch.zeros(3, dtype=torch.bool))) == 0


def test_beyond_the_clamp_on_one_side_there_is_no_gradient():
    found = torch.tensor([0.5, -0.5, 0.5, 0.05, 0.2], requires_grad=True)
    true = torch.tensor([0.3, -0.2, -0.3, 0.02, 0.1])
    value = clamped_error(found, true, 0.1)
    assert float(value.detach()) == pytest.approx((0 + 0 + 0.2 + 0.03 + 0) / 5)
    value.backward()
    assert found.grad.tolist() == pytest.approx([0, 0, 0, 0.2, 0])
