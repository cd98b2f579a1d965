"""Implicit geometric regularisation: its theorem, its loss, its published numbers."""

from __future__ import annotations

import math

import pytest
import torch

from rayfield.data.points import CloudTraits, PointBatch
from rayfield.fields.geometric import autograd_value_and_gradient
from rayfield.methods import igr

BALL = 0.6


class Linear(torch.nn.Module):
    """f(x) = w x, with the part of a network that the loss asks for."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(weight)

    def forward(self, points):
        return points @ self.weight

    def value_and_gradient(self, points):
        return self(points), self.weight.expand(len(points), 3)


def plane(generator, noise: float = 0.0):
    """Points of a random plane through the origin, and its normal."""
    basis = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0]
    points = torch.randn(200, 3, generator=generator, dtype=torch.float64)
    points[:, 2] *= noise
    return points @ basis.T, basis[:, 2]


def descend(weight, points, weight_of_eikonal: float, steps: int) -> torch.Tensor:
    """Gradient descent on |X w|^2 + lambda (|w|^2 - 1)^2, Sec. 4."""
    second_moment = points.T @ points
    rate = 0.2 / (2 * torch.linalg.matrix_norm(second_moment, 2) + 12 * weight_of_eikonal)
    for _ in range(steps):
        slope = 2 * second_moment @ weight
        slope = slope + 4 * weight_of_eikonal * (weight @ weight - 1) * weight
        weight = weight - rate * slope
    return weight


@pytest.mark.parametrize("weight", [30.0, 300.0])
def test_descent_of_a_linear_model_ends_at_the_planes_normal(weight):
    """Theorem 1: from almost every start, w -> n or -n, of length one."""
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        points, normal = plane(generator)
        start = 0.5 * torch.randn(3, generator=generator, dtype=torch.float64)
        found = descend(start, points, weight, 1000)
        assert abs(found.norm().item() - 1) < 1e-8
        assert abs(abs(found @ normal).item() - 1) < 1e-8


def test_with_noise_the_normal_is_shorter_by_the_least_eigenvalue(generator):
    points, _ = plane(generator, noise=0.2)
    values, vectors = torch.linalg.eigh(points.T @ points)
    weight = 2 * values[0].item()
    start = vectors @ torch.tensor([0.5, 0.2, 0.1], dtype=torch.float64)
    found = descend(start, points, weight, 3000)
    expected = math.sqrt(1 - values[0].item() / (2 * weight))
    assert found.norm().item() == pytest.approx(expected, abs=1e-8)
    assert abs(found @ vectors[:, 0]).item() == pytest.approx(expected, abs=1e-8)


def test_a_start_in_the_plane_never_leaves_it(generator):
    points, normal = plane(generator)
    start = points[0] / points[0].norm()
    assert abs(descend(start, points, 30.0, 200) @ normal) < 1e-8


def batch(points, normals=None) -> PointBatch:
    n = len(points)
    shown = torch.zeros(n, 3) if normals is None else normals
    return PointBatch(points, shown, torch.full((n,), 0.1), normals is not None, lambda p: p[:, 0])


@pytest.mark.parametrize("oriented", [True, False])
def test_loss_vanishes_for_the_exact_plane_and_only_there(oriented, generator):
    normal = torch.tensor([0.6, 0.0, 0.8])
    points = torch.randn(64, 3, generator=generator)
    points -= (points @ normal)[:, None] * normal
    data = batch(points, normal.expand(64, 3).contiguous() if oriented else None)

    def terms(weight):
        return igr.loss(Linear(weight), data, igr.Config(), 0, generator=generator)

    assert all(value.item() < 1e-6 for value in terms(normal).values())
    assert terms(2 * normal)["eikonal"].item() == pytest.approx(igr.Config().eikonal)
    assert terms(torch.zeros(3))["eikonal"].item() == pytest.approx(igr.Config().eikonal)
    assert ("normals" in terms(normal)) == oriented
    if oriented:
        assert terms(-normal)["normals"].item() == pytest.approx(2 * igr.Config().tau)


@pytest.mark.parametrize("oriented", [True, False])
def test_the_loss_and_its_gradients_are_those_of_double_backward(oriented, monkeypatch):
    cfg = igr.Config(grid=False, layers=4, width=24, skip=2)
    normals = torch.nn.functional.normalize(torch.randn(50, 3, generator=torch.Generator()))
    found = []
    for twin in (False, True):
        model = igr.build(cfg, generator=torch.Generator().manual_seed(1))
        if twin:
            monkeypatch.setattr(
                type(model), "value_and_gradient", lambda m, x: autograd_value_and_gradient(m, x)
            )
        data = batch(BALL * normals, normals if oriented else None)
        terms = igr.loss(model, data, cfg, 0, generator=torch.Generator().manual_seed(2))
        sum(terms.values()).backward()
        found.append([*terms.values(), *(p.grad for p in model.parameters())])
    for ours, twins in zip(*found, strict=True):
        torch.testing.assert_close(ours, twins, rtol=1e-5, atol=1e-5)


def test_the_published_network_and_schedule():
    cfg = igr.PRESETS["paper"]
    model = igr.build(cfg, generator=torch.Generator())
    assert sum(p.numel() for p in model.parameters()) == 1_839_614
    factors = [igr.lr_factor(cfg, step, 0.0) for step in (0, 1999, 2000, 4000, 99_999)]
    assert factors == [1, 1, 0.5, 0.25, 1e-3]
    assert cfg.rate * factors[-1] == pytest.approx(5e-6)


def test_normals_are_used_where_there_are_some_and_they_are_wanted():
    for has in (True, False):
        for wanted in (True, False):
            cfg = igr.adapt(igr.Config(normals=wanted), CloudTraits(100, has))
            assert cfg.normals == (has and wanted)
