"""A surface fitted by moving samples of its zero set."""

from __future__ import annotations

import pytest
import torch

from rayfield.data.points import PointBatch
from rayfield.methods import level_set_control

RADIUS = 0.5


class Ball(torch.nn.Module):
    """|x| - r, whose radius is the parameter."""

    def __init__(self, radius: float) -> None:
        super().__init__()
        self.radius = torch.nn.Parameter(torch.tensor(radius))

    def forward(self, points):
        return points.norm(dim=1) - self.radius

    def value_and_gradient(self, points):
        return self(points), torch.nn.functional.normalize(points)


def sphere_batch(n: int) -> PointBatch:
    generator = torch.Generator().manual_seed(0)
    normals = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator))
    zeros, spread = torch.zeros(n, 3), torch.full((n,), 0.1)
    return PointBatch(
        RADIUS * normals, zeros, spread, False, lambda x: (x.norm(dim=1) - RADIUS).abs()
    )


def terms_of(radius: float):
    model = Ball(radius)
    generator = torch.Generator().manual_seed(0)
    cfg = level_set_control.Config()
    return model, level_set_control.loss(model, sphere_batch(64), cfg, 0, generator=generator)


def test_all_terms_vanish_for_the_exact_distance():
    _, terms = terms_of(RADIUS)
    assert set(terms) == {"zero_set", "distance", "data"}
    assert all(value.item() < 1e-6 for value in terms.values())


@pytest.mark.parametrize("radius", [0.4, 0.6])
def test_the_zero_set_is_as_far_from_the_data_as_it_is_and_moves_towards_it(radius):
    """Its distance is |r - R|; by the sample network its derivative by r is the sign of r - R."""
    model, terms = terms_of(radius)
    assert terms["zero_set"].item() == pytest.approx(0.1, abs=1e-5)
    terms["zero_set"].backward()
    assert model.radius.grad.item() == pytest.approx(1.0 if radius > RADIUS else -1.0, abs=1e-4)


def test_no_sample_on_the_zero_set_is_no_term():
    class Nowhere(Ball):
        def forward(self, points):
            return points.norm(dim=1) + 1 + self.radius * 0

        def value_and_gradient(self, points):
            return self(points), torch.zeros_like(points)

    generator = torch.Generator().manual_seed(0)
    cfg = level_set_control.Config()
    terms = level_set_control.loss(Nowhere(0.5), sphere_batch(64), cfg, 0, generator=generator)
    assert terms["zero_set"].item() == 0
    assert torch.isfinite(torch.stack(list(terms.values()))).all()
