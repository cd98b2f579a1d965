from __future__ import annotations

import torch

from rayfield.objectives.silhouette import soft_iou_loss


def test_it_is_one_minus_iou_of_binary_masks(generator):
    a, b = (torch.rand(2, 200, generator=generator) < 0.4).float()
    exact = 1 - (a * b).sum() / ((a + b) > 0).sum()
    torch.testing.assert_close(soft_iou_loss(a, b), exact)
    assert soft_iou_loss(a, a) < 1e-6


def test_it_is_one_for_masks_apart_and_between_for_soft_ones(generator):
    a = torch.tensor([1.0, 0.0])
    assert soft_iou_loss(a, 1 - a) == 1
    soft = soft_iou_loss(*torch.rand(2, 50, generator=generator))
    assert 0 < soft < 1
