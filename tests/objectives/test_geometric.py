"""Losses of signed functions vanish for what they ask for, and say how far the rest is off."""

from __future__ import annotations

import pytest
import torch

from rayfield.objectives.geometric import eikonal, normal_misfit, on_surface, unsigned_misfit


def slopes(function, points):
    points = points.requires_grad_()
    return torch.autograd.grad(function(points).sum(), points)[0]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x.norm(dim=1) - 0.5, 0.0),  # an exact distance
        (lambda x: 2 * x @ torch.tensor([0.6, 0.0, 0.8]), 1.0),
        (lambda x: 0 * x.sum(dim=1), 1.0),
    ],
)
def test_the_eikonal_loss_is_zero_for_exact_distances_only(function, expected, generator):
    points = torch.randn(100, 3, generator=generator)
    assert eikonal(slopes(function, points)).item() == pytest.approx(expected, abs=1e-6)


def test_the_sign_agnostic_loss_does_not_see_the_sign(generator):
    values, distances = torch.randn(50, generator=generator), torch.rand(50, generator=generator)
    loss = unsigned_misfit(values, distances)
    assert torch.equal(loss, unsigned_misfit(-values, distances))
    assert unsigned_misfit(distances, distances) == 0
    signed = distances * torch.randn(50, generator=generator).sign()
    assert unsigned_misfit(signed, distances) == 0


def test_the_normals_of_a_distance_fit(generator):
    points = torch.nn.functional.normalize(torch.randn(30, 3, generator=generator))
    exact = slopes(lambda x: x.norm(dim=1) - 1, points.clone())
    assert normal_misfit(exact, points) < 1e-6
    assert normal_misfit(-exact, points).item() == pytest.approx(2)
    assert on_surface(points.norm(dim=1) - 1) < 1e-6
