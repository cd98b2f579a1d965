"""Curves in the plane: equal spacing, outward normals, the gap."""

from __future__ import annotations

import pytest
import torch

from rayfield.studies.outlines import RADIUS, around, circle, letter, open_square


@pytest.mark.parametrize("curve", [circle, open_square, letter])
def test_points_are_spread_evenly_with_unit_normals(curve):
    outline = curve(200)
    assert outline.points.shape == outline.normals.shape == (200, 2)
    assert torch.allclose(outline.normals.norm(dim=1), torch.ones(200), atol=1e-5)
    gaps = (outline.points[1:] - outline.points[:-1]).norm(dim=1)
    assert float(gaps.median()) == pytest.approx(float(gaps.max()), rel=0.01)
    assert float(outline.points.abs().max()) < 0.75


def test_normals_of_closed_curves_point_outwards():
    """The divergence theorem: the mean of x.n times the length is twice the area, positive."""
    for curve, area in ((circle, 3.14159 * RADIUS**2), (letter, None)):
        outline = curve(2000)
        ends = torch.cat([outline.points, outline.points[:1]])
        length = float((ends[1:] - ends[:-1]).norm(dim=1).sum())
        found = float((outline.points * outline.normals).sum(dim=1).mean()) * length / 2
        assert found > 0.2
        assert area is None or found == pytest.approx(area, rel=1e-3)


def test_the_square_misses_its_right_side():
    outline = open_square(300)
    x, y = outline.points.T
    assert not outline.closed
    assert not ((x > RADIUS - 0.01) & (y.abs() < RADIUS - 0.05)).any()
    left = x < -RADIUS + 1e-6
    assert torch.allclose(outline.normals[left], torch.tensor([-1.0, 0.0]))


def test_half_of_the_places_are_near_the_curve(generator):
    outline = circle(100)
    places = around(outline, 1000, generator=generator)
    off = (places.norm(dim=1) - RADIUS).abs()
    assert 0.4 < float((off < 0.15).float().mean()) < 0.75
    assert places.shape == (1000, 2)
