"""Networks that start as a sphere."""

from __future__ import annotations

import math

import pytest
import torch

from rayfield.fields.geometric import GeometricMLP, Start


def radii(network, directions: torch.Tensor) -> torch.Tensor:
    """Where the zero set is met along rays from the origin, to 1/50."""
    at = torch.linspace(0.2, 1.4, 61)
    values = network((directions[:, None] * at[:, None]).reshape(-1, 3)).view(-1, 61)
    return at[(values > 0).int().argmax(dim=1)]


def test_the_published_network_has_its_number_of_parameters(generator):
    network = GeometricMLP(512, 8, skips=(4,), generator=generator)
    assert sum(p.numel() for p in network.parameters()) == 1_839_614


@pytest.mark.parametrize("beta", [100.0, math.inf])
def test_the_zero_set_of_a_fresh_network_is_about_the_unit_sphere(beta):
    """Theorem 1 of Atzmon & Lipman 2020; at this width seeds differ by a standard deviation of
    0.08, so that of single ones nine in ten are in [0.85, 1.15], and the mean of some is."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(12, 3, generator=generator))
    found = []
    for _ in range(5):
        network = GeometricMLP(512, 8, skips=(4,), beta=beta, generator=generator)
        with torch.no_grad():
            found.append(radii(network, directions).mean().item())
            assert network(torch.zeros(1, 3)).item() < -0.4
    assert 0.85 < sum(found) / 5 < 1.15
    assert min(found) > 0.7
    assert max(found) < 1.3


def test_the_steep_start_of_sal_is_a_sphere_of_about_half_the_radius():
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(32, 3, generator=generator))
    start = Start(slope=2.0, deviation=1e-6)
    network = GeometricMLP(512, 8, beta=math.inf, start=start, generator=generator)
    with torch.no_grad():
        assert 0.4 < radii(network, directions).mean() < 0.65


@pytest.mark.parametrize("skips", [(), (2,), (1, 3)])
def test_the_gradient_is_that_of_the_value(skips, generator):
    network = GeometricMLP(24, 4, skips=skips, generator=generator)
    points = torch.randn(9, 3, generator=generator)
    value, gradient = network.value_and_gradient(points)
    torch.testing.assert_close(value, network(points))
    double = GeometricMLP(24, 4, skips=skips, generator=None).double()
    double.load_state_dict(network.state_dict())
    sides = 1e-5 * torch.eye(3, dtype=torch.float64)
    for axis in range(3):
        ahead, behind = (double(points.double() + s * sides[axis]) for s in (1, -1))
        slope = (ahead - behind) / 2e-5
        torch.testing.assert_close(gradient[:, axis].double(), slope, rtol=1e-3, atol=1e-4)


def test_the_same_seed_gives_the_same_network():
    a, b = (GeometricMLP(16, 3, generator=torch.Generator().manual_seed(4)) for _ in range(2))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
