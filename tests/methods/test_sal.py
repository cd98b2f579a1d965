"""Sign agnostic learning: blind to the sign, which the start provides."""

from __future__ import annotations

import math

import torch

from rayfield.data.points import PointBatch
from rayfield.fields.geometric import GeometricMLP
from rayfield.methods import sal
from rayfield.train.optim import Adam

RADIUS = 0.5


class Exact(torch.nn.Module):
    """The signed distance of a sphere, or the unsigned one, or the opposite."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, points):
        signed = points.norm(dim=1) - RADIUS
        return {"signed": signed, "opposite": -signed, "unsigned": signed.abs()}[self.kind]


def sphere_batch(n: int, seed: int) -> PointBatch:
    generator = torch.Generator().manual_seed(seed)
    normals = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator))
    zeros = torch.zeros(n, 3)
    spread = torch.full((n,), 0.1)
    return PointBatch(
        RADIUS * normals, zeros, spread, False, lambda x: (x.norm(dim=1) - RADIUS).abs()
    )


def test_the_distance_with_any_sign_has_no_loss_but_only_one_has_a_surface():
    for kind in ("signed", "opposite", "unsigned"):
        generator = torch.Generator().manual_seed(0)
        terms = sal.loss(Exact(kind), sphere_batch(40, 0), sal.Config(), 0, generator=generator)
        assert terms["distance"].item() < 1e-6, kind
    points = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    signs = {kind: Exact(kind)(points).sign().unique().numel() for kind in ("signed", "unsigned")}
    assert signs == {"signed": 2, "unsigned": 1}


def middle_after(model: GeometricMLP, steps: int) -> float:
    """The value at the middle after some training on a sphere."""
    cfg = sal.Config(rate=5e-3)
    optimiser = Adam(sal.param_groups(model, cfg))
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        terms = sal.loss(model, sphere_batch(64, step), cfg, step, generator=generator)
        sum(terms.values()).backward()
        optimiser.step(sal.lr_factor(cfg, step, step / steps))
    with torch.no_grad():
        return model(torch.zeros(1, 3)).item()


def test_the_start_as_a_sphere_keeps_its_sign():
    cfg = sal.Config(layers=3, width=32)
    model = sal.build(cfg, generator=torch.Generator().manual_seed(0))
    assert middle_after(model, 40) < -0.3


def test_a_start_without_a_sphere_ends_unsigned():
    """Values that are positive everywhere stay so: the surface is lost."""
    model = sal.build(sal.Config(layers=3, width=32), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model.layers[-1].bias.fill_(0.3)
    assert middle_after(model, 40) > -0.05


def test_the_published_network():
    cfg = sal.PRESETS["paper"]
    model = sal.build(cfg, generator=torch.Generator().manual_seed(0))
    plain = 3 * 512 + 7 * 512**2 + 512 + 8 * 512 + 1
    lengths = 8 * 512 + 1
    assert sum(p.numel() for p in model.parameters()) == plain + lengths
    assert not model.skips
    assert math.isinf(model.beta)
