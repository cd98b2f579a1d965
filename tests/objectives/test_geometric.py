"""Losses of signed functions vanish for what they ask for, and say how far the rest is off."""

from __future__ import annotations

import pytest
import torch

from rayfield.objectives.geometric import (
    along_normals,
    eikonal,
    normal_misfit,
    on_surface,
    unsigned_misfit,
)


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


def test_along_normals_is_zero_for_a_signed_distance_and_counts_steps(generator):
    normals = torch.nn.functional.normalize(torch.randn(50, 3, generator=generator))
    points = 0.5 * normals

    def sphere(x):
        return x.norm(dim=1) - 0.5

    assert along_normals(sphere, points, normals, step=0.1) < 1e-10
    raised = along_normals(lambda x: sphere(x) + 0.2, points, normals, step=0.1)
    torch.testing.assert_close(raised, torch.tensor(4.0))
    doubled = along_normals(lambda x: 2 * sphere(x), points, normals, step=0.1)
    torch.testing.assert_close(doubled, torch.tensor(2.0 / 3))
