from __future__ import annotations

import pytest
import torch

from rayfield.core.types import Rays
from rayfield.math.rays import ray_box, ray_sphere
from rayfield.render import packed


def some_rays(n, generator) -> Rays:
    origins = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator)) * 3
    target = torch.rand(n, 3, generator=generator) * 2 - 1
    directions = torch.nn.functional.normalize(target - origins)
    near, far = ray_box(origins, directions)
    return Rays(origins, directions, near, far, torch.full((n,), -1))


def everywhere(points):
    return torch.ones(len(points), dtype=torch.bool)


def test_samples_cover_rays_evenly_and_only_where_asked(generator):
    rays = some_rays(50, generator)
    for jitter in (None, torch.rand(50, generator=generator)):
        found = packed.march(rays, 0.1, everywhere, jitter=jitter)
        torch.testing.assert_close(found.end - found.start, torch.full_like(found.start, 0.1))
        expected = (rays.far - rays.near) / 0.1
        assert ((found.count - expected).abs() <= 1).all()
        assert torch.equal(found.ray, torch.repeat_interleave(found.count))
        same = found.ray[1:] == found.ray[:-1]
        torch.testing.assert_close(
            found.start.diff()[same], torch.full((int(same.sum()),), 0.1), rtol=0, atol=1e-5
        )
        half = packed.march(rays, 0.1, lambda x: x[:, 0] > 0, jitter=jitter)
        middle = 0.5 * (half.start + half.end)[:, None]
        assert ((rays.origins[half.ray] + middle * rays.directions[half.ray])[:, 0] > 0).all()
        assert 0 < len(half.ray) < len(found.ray)


def ball(points):
    return 1.5 * (points.norm(dim=1) < 0.8), torch.full((len(points), 3), 0.25)


def test_a_ball_has_the_opacity_of_its_chords(generator):
    rays, background = some_rays(200, generator), torch.ones(200, 3)
    samples = packed.march(rays, 0.005, lambda x: x.norm(dim=1) < 0.9)
    out = packed.render(ball, rays, samples, background=background)
    near, far = ray_sphere(rays.origins, rays.directions, radius=0.8)
    opacity = -torch.expm1(-1.5 * (far - near))
    torch.testing.assert_close(out.opacity, opacity, rtol=0, atol=0.02)
    torch.testing.assert_close(out.color[:, 0], 1 - 0.75 * out.opacity, rtol=0, atol=1e-5)
    seen = opacity > 0.3
    assert ((out.depth > near - 0.01) & (out.depth < far + 0.01))[seen].all()


def test_all_rays_in_blocks_are_as_in_one(generator, monkeypatch):
    rays, black = some_rays(100, generator), torch.zeros(3)
    whole = packed.render_all(ball, rays, stride=0.05, occupied=everywhere, background=black)
    monkeypatch.setattr(packed, "BLOCK", 7)
    parts = packed.render_all(ball, rays, stride=0.05, occupied=everywhere, background=black)
    torch.testing.assert_close(parts[:4], whole[:4], rtol=0, atol=1e-6)
    none = Rays(*(x[:0] for x in rays))
    empty = packed.render_all(ball, none, stride=0.05, occupied=everywhere, background=black)
    assert empty.color.shape == (0, 3)


def test_f7_tomography_least_squares_on_minus_log_t_recovers_the_grid(generator):
    """Optical depth is linear in the density of voxels, so noise-free views determine it."""
    side, n = 4, 400
    truth = torch.rand(side**3, generator=generator, dtype=torch.float64)
    rays = Rays(*(x.double() if x.is_floating_point() else x for x in some_rays(n, generator)))
    samples = packed.march(rays, 0.02, everywhere)

    def rows(points):
        x, y, z = ((points + 1) * side / 2).long().clamp(0, side - 1).unbind(1)
        return (x * side + y) * side + z

    def field(points):
        return truth[rows(points)], points.new_zeros(len(points), 3)

    background = torch.zeros(n, 3, dtype=torch.float64)
    out = packed.render(field, rays, samples, background=background)
    depth = -torch.log1p(-out.opacity)
    middle = 0.5 * (samples.start + samples.end)[:, None]
    at = rows(rays.origins[samples.ray] + middle * rays.directions[samples.ray])
    matrix = torch.zeros(n, side**3, dtype=torch.float64)
    matrix.index_put_((samples.ray, at), samples.end - samples.start, accumulate=True)
    found = torch.linalg.lstsq(matrix, depth[:, None]).solution[:, 0]
    assert (found - truth).norm() / truth.norm() < 1e-4


@pytest.mark.parametrize("length", [0.01, 0.3])
def test_a_ray_that_misses_has_no_samples_and_shows_the_background(length):
    zero = torch.zeros(1)
    rays = Rays(torch.full((1, 3), 5.0), torch.tensor([[1.0, 0, 0]]), zero, zero, zero.long())
    found = packed.march(rays, length, everywhere)
    assert len(found.ray) == 0
    out = packed.render(ball, rays, found, background=torch.full((1, 3), 0.3))
    torch.testing.assert_close(out.color, torch.full((1, 3), 0.3))
