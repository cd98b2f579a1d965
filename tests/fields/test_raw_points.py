"""What methods for raw points share: the ball at the start, rates, and the surface."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from rayfield.fields.raw_points import ball, lr_factor, param_groups, surface

CFG = SimpleNamespace(
    layers=4, width=256, skip=2, slope=2.0, deviation=1e-6, radius=1.0,
    batch=16, rate=3e-3, final_rate=0.01, warmup=10,
)  # fmt: skip


@pytest.mark.parametrize("skip", [0, 2])
def test_the_start_is_a_ball_of_half_the_radius(skip, generator):
    cfg = SimpleNamespace(**{**vars(CFG), "skip": skip})
    model = ball(cfg, generator=generator)
    assert model.skips == ({skip} if skip else set())
    assert math.isinf(model.beta)
    directions = torch.nn.functional.normalize(torch.randn(500, 3, generator=generator), dim=1)
    with torch.no_grad():
        inner, outer = (float(surface(model)(r * directions).mean()) for r in (0.35, 0.65))
    assert inner < -0.1
    assert outer > 0.1
    assert (outer - inner) / 0.3 == pytest.approx(2.0, rel=0.2)


def test_directions_and_lengths_of_rows_are_kept_apart_where_asked(generator):
    plain, normed = (
        sum(1 for _ in ball(CFG, normed=kind, generator=generator).parameters())
        for kind in (False, True)
    )
    assert plain == 10
    assert normed == 15


def test_the_rate_warms_up_and_falls_to_its_last_part(generator):
    assert lr_factor(CFG, 0, 0.0) == pytest.approx(0.1)
    assert lr_factor(CFG, 50, 0.5) == pytest.approx(0.1)
    assert lr_factor(CFG, 99, 1.0) == pytest.approx(0.01)
    (group,) = param_groups(ball(CFG, generator=generator), CFG)
    assert group["lr"] == CFG.rate
    assert len(group["params"]) == 10
