"""The three spaces of a field, and coarse-to-fine rendering through them."""

from __future__ import annotations

import pytest
import torch

from rayfield.core.types import Rays
from rayfield.render import hierarchical
from rayfield.render.hierarchical import Field
from rayfield.render.space import Space

LOOKING_UP = tuple(map(float, (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)))  # along +z from the origin
NDC = Space("ndc", (*LOOKING_UP, 0.5, 0.6, 0.4))
SPACES = {"box": Space("box"), "contracted": Space("contracted"), "ndc": NDC}
each_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


def some_rays(space, generator, n=30):
    origins = torch.randn(n, 3, generator=generator, dtype=torch.float64) * 0.1
    directions = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    directions[:, 2] = directions[:, 2].abs() + 1
    far = 3.0 if space.kind == "box" else 1e6
    near = torch.full((n,), 0.1, dtype=torch.float64)
    directions = torch.nn.functional.normalize(directions)
    return Rays(origins, directions, near, torch.full_like(near, far), torch.full((n,), -1))


@each_space
def test_cells_begin_where_their_points_are(space, generator):
    rays = some_rays(space, generator)
    entered = space.enter(rays)
    t = space.places(entered, 12, generator=generator)
    cells = space.cells(entered, t)
    for column in (0, 5, 10):
        metric = space.distance(t[:, column], rays)
        wanted = space.warp(rays.origins + metric[:, None] * rays.directions)
        torch.testing.assert_close(cells.points[:, column], wanted, atol=1e-6, rtol=1e-6)


@each_space
def test_stretch_is_the_length_of_a_short_step(space, generator):
    """Contracted, its cube is the volume's; in NDC, of a step away from the camera."""
    points = torch.randn(10, 3, generator=generator, dtype=torch.float64) * 2
    points[:, 2] = points[:, 2].abs() + 0.6
    found = space.stretch(points)
    if space.kind == "ndc":
        step = 1e-7 * torch.nn.functional.normalize(points)
        lengths = (space.warp(points + step) - space.warp(points)).norm(dim=-1) / 1e-7
        torch.testing.assert_close(found, lengths, rtol=1e-5, atol=1e-7)
    else:
        jacobian = torch.func.vmap(torch.func.jacrev(lambda x: space.warp(x[None])[0]))(points)
        torch.testing.assert_close(found**3, torch.linalg.det(jacobian))


def test_rays_that_miss_or_turn_back_are_not_seen(generator):
    rays = some_rays(NDC, generator, 3)
    assert NDC.sees(rays).all()
    assert not NDC.sees(rays._replace(directions=-rays.directions)).any()
    missed = rays._replace(near=rays.near * 0, far=rays.far * 0)
    assert not any(space.sees(missed).any() for space in SPACES.values())


def slab_field(start, end, sigma):
    """A wall between two heights z of the space, of one grey."""

    def density(points):
        found = sigma * ((points[:, 2] > start) & (points[:, 2] < end)).to(points)
        live = found.nonzero()[:, 0]
        return found, live, points[live]

    return Field(density, lambda features, ray: torch.full_like(features, 0.3))


def test_the_second_field_samples_where_the_first_found_something(generator):
    rays = some_rays(SPACES["box"], generator)
    wall = slab_field(0.9, 1.1, 40.0)
    coarse, fine = hierarchical.trace(
        [wall, wall], Space("box"), rays, samples=(32, 64), background=torch.zeros(1, 3)
    )
    assert coarse.cells.speed.shape == (30, 32)
    assert fine.cells.speed.shape == (30, 96)
    share = [
        float(((c.cells.points[..., 2] > 0.8) & (c.cells.points[..., 2] < 1.2)).double().mean())
        for c in (coarse, fine)
    ]
    assert share[1] > 3 * share[0]


def test_a_wall_in_front_of_a_frustum_has_its_depth(generator):
    """At depth 2 in space: z' = 1 - 2 n / 2 = 0.5 in NDC."""
    rays = some_rays(NDC, generator)
    wall = slab_field(0.5, 2.0, 1e4)

    def tracer(part):
        return hierarchical.trace(
            [wall, wall], NDC, part, samples=(64, 64), background=torch.ones(1, 3).double()
        )

    white = torch.ones(3, dtype=torch.float64)
    out = hierarchical.render(tracer, NDC, rays, background=white, samples=192)
    depth = rays.origins[:, 2] + out.depth * rays.directions[:, 2]
    torch.testing.assert_close(depth, torch.full_like(depth, 2.0), atol=0.05, rtol=0)
    torch.testing.assert_close(out.color, torch.full_like(out.color, 0.3))


def test_rendering_in_blocks_changes_nothing(generator, monkeypatch):
    space = Space("contracted")
    rays = some_rays(space, generator)
    fog = slab_field(0.2, 1.5, 0.8)
    black = torch.zeros(3, dtype=torch.float64)

    def tracer(part):
        return hierarchical.trace([fog, fog], space, part, samples=(16, 8), background=black[None])

    whole = hierarchical.render(tracer, space, rays, background=black, samples=40)
    monkeypatch.setattr(hierarchical, "BLOCK", 7 * 40)
    parts = hierarchical.render(tracer, space, rays, background=black, samples=40)
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other)
    assert (whole.samples == 40).all()


def test_a_ray_that_is_not_seen_shows_the_background_and_costs_nothing(generator):
    rays = some_rays(NDC, generator, 4)
    rays.directions[1] *= -1
    wall = slab_field(-1.0, 2.0, 1e4)
    white = torch.ones(3, dtype=torch.float64)

    def tracer(part):
        assert len(part.near) == 3
        return hierarchical.trace([wall], NDC, part, samples=(8, 0), background=white[None])

    out = hierarchical.render(tracer, NDC, rays, background=white, samples=8)
    assert out.color[1].tolist() == [1, 1, 1]
    assert out.samples.tolist() == [8, 0, 8, 8]
    assert out.opacity[1] == out.depth[1] == 0
