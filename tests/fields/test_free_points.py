from __future__ import annotations

import torch

from rayfield.fields.free_points import FreePoints


def some(count, generator):
    return FreePoints(count, reach=0.9, radius=0.05, opacity=0.2, generator=generator)


def test_they_start_evenly_over_the_ball(generator):
    points = some(20_000, generator)
    length = points.places.detach().norm(dim=1)
    assert length.max() <= 0.9
    within = (length < 0.45).float().mean()
    assert abs(within - 0.125) < 0.01
    torch.testing.assert_close(points.radii(), torch.full((20_000,), 0.05))
    torch.testing.assert_close(points.opacities(), torch.full((20_000,), 0.2))


def test_only_points_that_show_are_part_of_the_cloud(generator):
    points = some(10, generator)
    with torch.no_grad():
        points.solid[:4] = -9.0
    cloud, colors = points.cloud(least=0.1)
    assert len(cloud.points) == len(colors) == 6
    assert colors.dtype == torch.uint8


def test_dim_points_are_put_next_to_solid_ones_which_share_their_opacity(generator):
    points = some(100, generator)
    with torch.no_grad():
        points.solid[:60], points.solid[60:] = -9.0, 2.0
        points.places[60:] = 0.5
    before = points.opacities()[60:].detach().clone()
    assert points.respawn(least=0.05, fewest=10, generator=generator) == 60
    away = (points.places.detach()[:60] - 0.5).norm(dim=1)
    assert away.max() < 0.05 * 5
    assert points.opacities().min() > 0.05
    assert (points.opacities()[60:] <= before + 1e-6).all()
    # what covered one pixel before covers as much together: 1 - prod(1 - a) is kept
    kept = torch.log1p(-before).sum()
    torch.testing.assert_close(torch.log1p(-points.opacities()).sum(), kept, rtol=1e-3, atol=0)


def test_nothing_is_moved_while_few_points_are_solid(generator):
    points = some(50, generator)
    with torch.no_grad():
        points.solid[:40] = -9.0
    before = points.places.clone()
    assert points.respawn(least=0.05, fewest=5, generator=generator) == 0
    assert torch.equal(points.places, before)
