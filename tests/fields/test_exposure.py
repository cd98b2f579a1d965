"""Gains of photos: neutral at first, relative to their mean, and only of the photos they are of."""

from __future__ import annotations

import torch

from rayfield.fields.exposure import exposed, log_gains

COLOR = torch.rand(5, 3, generator=torch.Generator().manual_seed(0))
IMAGE = torch.tensor([0, 1, 2, 1, 0])


def test_colours_are_as_they_are_before_anything_is_learned_and_without_gains():
    assert torch.equal(exposed(COLOR, log_gains(3), IMAGE), COLOR)
    assert exposed(COLOR, None, IMAGE) is COLOR
    assert exposed(COLOR, log_gains(0), IMAGE) is COLOR


def test_each_photo_has_its_gains_whose_geometric_mean_is_one():
    gains = torch.tensor([[2.0, 1, 1], [8, 1, 1], [4, 1, 3]]).log()
    found = exposed(COLOR, gains, IMAGE) / COLOR
    cube = 3 ** (1 / 3)
    wanted = torch.tensor([[0.5, 1, 1 / cube], [2, 1, 1 / cube], [1, 1, 3 / cube]])
    torch.testing.assert_close(found, wanted[IMAGE])


def test_all_brighter_is_no_other_gain_and_gradients_agree():
    gains = log_gains(3)
    torch.testing.assert_close(exposed(COLOR, gains + 1.0, IMAGE), COLOR)
    exposed(COLOR, gains, IMAGE)[1].sum().backward()
    assert gains.grad is not None
    torch.testing.assert_close(gains.grad.sum(dim=0), torch.zeros(3))
    assert (gains.grad[1] > 0).all()
