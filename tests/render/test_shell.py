"""Exact signed distances in the renderer give what geometry says (no training)."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize, softplus

from rayfield.core.types import Rays
from rayfield.fields.sdf_grid import Distance
from rayfield.math.density import laplace_density, neus_depth
from rayfield.math.rays import ray_box, ray_sphere
from rayfield.render.occupancy import OccupancyGrid
from rayfield.render.shell import (
    SLACK,
    Cells,
    Focus,
    focus,
    lit,
    march,
    march_readable,
    mark_shell,
    render,
)

RADIUS = 0.6  # scene units
SCALE = 2.0

RULES = {
    "neus": lambda width: partial(neus_depth, sharpness=1 / width),
    "volsdf": lambda width: lambda f, _, length: laplace_density(f, width) * length,
    "unisurf": lambda width: lambda f, _, length: softplus(-f / width),
}
each_rule = pytest.mark.parametrize("rule", sorted(RULES))


def ball(unit: Tensor) -> Tensor:
    """Signed distance of a ball, all in lengths of the unit cube."""
    return (unit - 0.5).norm(dim=-1) - RADIUS / SCALE


def found_at(unit: Tensor) -> Distance:
    return Distance(ball(unit), normalize(unit - 0.5), unit)


def tint(found: Distance, directions: Tensor) -> Tensor:
    """A colour that changes slowly with the normal."""
    return 0.5 + 0.2 * found.gradient


def some_rays(n: int, generator: torch.Generator) -> Rays:
    origins = normalize(torch.randn(n, 3, generator=generator)) * 3
    target = torch.rand(n, 3, generator=generator) * 1.6 - 0.8
    directions = normalize(target - origins)
    return Rays(
        origins, directions, *ray_box(origins, directions), torch.zeros(n, dtype=torch.long)
    )


def test_the_shell_holds_every_point_within_reach_and_little_else(generator):
    grid, reach = OccupancyGrid(32, contracted=False), 0.03
    mark_shell(grid, ball, reach)
    points = torch.rand(100_000, 3, generator=generator)
    marked = grid.occupied()[grid.cells(points)]
    away = ball(points).abs()
    assert marked[away <= reach].all()
    assert not marked[away > reach + (SLACK + 0.5) * math.sqrt(3) / 32].any()
    mark_shell(grid, lambda x: ball(x) + 10, reach)
    assert not grid.occupied().any()


def test_the_shell_of_a_coarse_search_is_that_of_all_cells():
    grid, cells = OccupancyGrid(32, contracted=False), torch.arange(32**3)
    mark_shell(grid, ball, 0.01)
    corner = torch.stack([cells % 32, cells // 32 % 32, cells // 32**2], -1)
    near = ball((corner + 0.5) / 32).abs() < 0.01 + SLACK * math.sqrt(3) / 64
    assert torch.equal(grid.occupied(), near)


@pytest.mark.parametrize("capacity", [1 << 18, 300])
def test_compiled_march_is_the_readable_one(capacity, generator):
    grid, rays = OccupancyGrid(32, contracted=False), some_rays(100, generator)
    mark_shell(grid, ball, 0.02)
    jitter = torch.rand(100, generator=generator)
    ours = march(grid, rays, 1 / 64, jitter=jitter, capacity=capacity)
    theirs = march_readable(grid, rays, 1 / 64, jitter=jitter, capacity=capacity)
    assert ours.used == theirs.used
    assert (ours.used == 100) == (capacity > 300)
    same = ours.count == theirs.count  # rounding may move a sample over a cell's wall
    assert same.float().mean() > 0.95
    for name in ("middle", "length", "unit"):
        mine, other = getattr(ours, name)[same[ours.ray]], getattr(theirs, name)[same[theirs.ray]]
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-5)


@each_rule
def test_a_sharp_ball_has_the_depth_silhouette_and_colour_of_geometry(rule, generator):
    """Sec. 3 of the three papers: as the width falls, all are the first hit's picture."""
    width, step = 2e-4, 1e-3
    grid, rays = OccupancyGrid(64, contracted=False), some_rays(2000, generator)
    mark_shell(grid, ball, 0.01)
    cells = march(grid, rays, step, capacity=1 << 22)
    out = render(
        cells,
        found_at(cells.unit),
        rays.directions,
        rule=RULES[rule](width),
        color=tint,
        scale=SCALE,
    )
    near, _ = ray_sphere(rays.origins, rays.directions, radius=RADIUS)
    foot = torch.linalg.cross(rays.origins, rays.directions).norm(dim=-1)
    deep, missed = foot < RADIUS - 0.02, foot > RADIUS + 0.01  # not at the silhouette
    assert deep.sum() > 500
    assert missed.sum() > 300
    assert (1 - out.opacity[deep]).max() < 1 / 255
    assert out.opacity[missed].max() < 1 / 255
    assert (out.depth - near)[deep].abs().max() < 5e-3
    normal = normalize(rays.origins + near[:, None] * rays.directions)
    assert (out.color - (0.5 + 0.2 * normal))[deep].abs().max() < 2 / 255


def test_neus_finds_the_wall_where_it_is_however_blurred(generator):
    """Sec. 3.1: weights peak at the zero set, without bias to first order."""
    wall = Rays(*(torch.tensor(x) for x in ([[0.0, 0, -1]], [[0.0, 0, 1]], [0.0], [2.0], [0])))
    for width in (0.02, 0.1):
        cells = march(OccupancyGrid(8, contracted=False), wall, 2e-3)
        f = -(cells.unit[:, 2] - 0.45)
        found = Distance(f, torch.tensor([0.0, 0, -1]).expand(len(f), 3), cells.unit)
        rule = partial(neus_depth, sharpness=1 / width)
        out = render(cells, found, wall.directions, rule=rule, color=tint, scale=SCALE)
        assert abs(float(out.depth) - 0.9) < 2e-3


@each_rule
def test_rendering_equals_brute_force(rule, generator):
    """Values and gradients of the ragged renderer, and those of a loop over rays in float64."""
    count = torch.tensor([0, 7, 1, 12, 0])
    ray, n = torch.repeat_interleave(count), int(count.sum())
    length = 0.05 + 0.1 * torch.rand(n, generator=generator).double()
    middle = torch.rand(n, generator=generator).double()
    unit = torch.rand(n, 3, generator=generator).double()
    cells = Cells(5, middle, length, unit, ray, count)
    along = normalize(torch.randn(5, 3, generator=generator)).double()
    law, answers = RULES[rule](0.1), []
    value = 0.1 * torch.randn(n, generator=generator).double()
    gradient = torch.randn(n, 3, generator=generator).double()
    for brute in (False, True):
        leaves = [x.clone().requires_grad_() for x in (value, gradient, unit)]
        found = Distance(*leaves)
        if brute:
            rows = [_one_ray(cells, found, along, r, law) for r in range(5)]
            color, opacity, depth = (torch.stack(x) for x in zip(*rows, strict=True))
        else:
            out = render(cells, found, along, rule=law, color=_sum, scale=SCALE, cutoff=0.0)
            color, opacity, depth = out.color, out.opacity, out.depth
            assert torch.equal(out.samples, count)
        total = (color * torch.tensor([1.0, 2.0, -1.0])).sum() + opacity.sum() - depth.sum()
        grads = torch.autograd.grad(total, leaves)
        answers.append([color, opacity, depth, *grads])
    for ours, theirs in zip(*answers, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-9)


def _sum(found: Distance, directions: Tensor) -> Tensor:
    return found.features + found.gradient * directions


def _one_ray(cells: Cells, found: Distance, along: Tensor, r: int, law) -> tuple[Tensor, ...]:
    through, opacity, depth = torch.ones(()).double(), torch.zeros(()).double(), 0.0
    color = torch.zeros(3).double()
    for s in (cells.ray == r).nonzero()[:, 0].tolist():
        slope = (found.gradient[s] * along[r]).sum()
        alpha = 1 - torch.exp(-law(SCALE * found.value[s], slope, cells.length[s]))
        color = color + through * alpha * (found.features[s] + found.gradient[s] * along[r])
        opacity, depth = opacity + through * alpha, depth + through * alpha * cells.middle[s]
        through = through * (1 - alpha)
    return color, opacity, depth / opacity.clamp_min(1e-10)


def test_samples_in_the_dark_are_left_out_at_a_cost_below_the_cutoff(generator):
    grid, rays = OccupancyGrid(32, contracted=False), some_rays(300, generator)
    mark_shell(grid, ball, 0.2)
    cells, asked = march(grid, rays, 1 / 128), []

    def counting(found: Distance, directions: Tensor) -> Tensor:
        asked.append(len(directions))
        return tint(found, directions)

    rule = RULES["neus"](0.02)
    all_of_them, some_of_them = (
        render(cells, found_at(cells.unit), rays.directions, rule=rule, color=counting,
               scale=SCALE, cutoff=cutoff)
        for cutoff in (0.0, 1e-2)
    )  # fmt: skip
    assert asked[1] < 0.8 * asked[0]
    assert asked == [int(all_of_them.samples.sum()), int(some_of_them.samples.sum())]
    assert (all_of_them.color - some_of_them.color).abs().max() < 1e-2
    assert (all_of_them.opacity - some_of_them.opacity).abs().max() < 1e-2


def test_no_samples_are_no_light():
    rays = some_rays(3, torch.Generator().manual_seed(0))
    grid = OccupancyGrid(8, contracted=False)
    mark_shell(grid, lambda x: torch.full_like(x[:, 0], 9.0), 0.1)
    cells = march(grid, rays, 1 / 32)
    out = render(
        cells,
        found_at(cells.unit),
        rays.directions,
        rule=RULES["neus"](0.1),
        color=tint,
        scale=SCALE,
    )
    assert out.color.shape == (3, 3)
    assert not out.color.any()
    assert not out.opacity.any()
    assert not out.depth.any()


@pytest.mark.parametrize("jittered", [False, True])
def test_focus_puts_even_cells_around_the_first_root(jittered, generator):
    """Two balls behind each other: the second is left out; rays that miss keep their cells."""

    def balls(unit: Tensor) -> Tensor:
        centres = torch.tensor([[0.3, 0.5, 0.5], [0.7, 0.5, 0.5]])
        return (unit[:, None] - centres).norm(dim=-1).amin(1) - 0.15

    grid = OccupancyGrid(64, contracted=False)
    mark_shell(grid, balls, 0.03)
    height = torch.tensor([0.0, 0.1, 0.32, 0.9])  # the last two go past
    origins = torch.stack([torch.full((4,), -2.0), height, torch.zeros(4)], -1)
    along = torch.tensor([[1.0, 0, 0]]).repeat(4, 1)
    rays = Rays(origins, along, *ray_box(origins, along), torch.zeros(4, dtype=torch.long))
    cells = march(grid, rays, 1 / 64)
    drawn = generator if jittered else None
    out = focus(cells, along, balls, on=Focus(0.05, 10), scale=SCALE, generator=drawn)
    near = 1.6 - (0.3**2 - height[:2] ** 2).sqrt()  # of the first ball, from x = -2
    for r in range(2):
        t = out.middle[out.ray == r]
        around = t[t > near[r] - 0.05]
        shift = 0.0 if not jittered else 0.005
        assert len(around) == 10
        even = near[r] - 0.045 + 0.01 * torch.arange(10)
        assert (around - even).abs().max() < shift + 2e-4
        assert (t[t <= near[r] - 0.05] < near[r]).all()
        assert len(t) > 10  # some in front stay
        assert (t.diff() > 0).all()
    past = cells.ray >= 2
    torch.testing.assert_close(out.middle[out.ray >= 2], cells.middle[past])
    assert torch.equal(out.count, torch.bincount(out.ray, minlength=4))
    points = origins[out.ray] + out.middle[:, None] * along[out.ray]
    torch.testing.assert_close(out.unit, points / SCALE + 0.5, rtol=0, atol=1e-5)
    assert out.ray.diff().min() >= 0


@each_rule
@pytest.mark.parametrize("width", [0.002, 0.02])
def test_leaving_cells_in_the_dark_changes_next_to_nothing(rule, width, generator):
    """They are found from distances alone, so before gradients are known."""
    grid, rays, law = OccupancyGrid(64, contracted=False), some_rays(1000, generator), RULES[rule]
    mark_shell(grid, ball, 5.5 * width / SCALE)
    cells = march(grid, rays, max(width, 1 / 128))
    kept = lit(cells, ball, rule=law(width), scale=SCALE, cutoff=5e-3)
    assert len(kept.ray) < 0.8 * len(cells.ray)
    assert torch.equal(kept.count, torch.bincount(kept.ray, minlength=1000))
    whole, part = (
        render(c, found_at(c.unit), rays.directions, rule=law(width), color=tint, scale=SCALE)
        for c in (cells, kept)
    )
    assert (whole.opacity - part.opacity).abs().max() < 1e-2
    assert (whole.color - part.color).abs().max() < 1e-2


def test_cells_without_a_surface_in_front_are_all_lit(generator):
    grid, rays = OccupancyGrid(32, contracted=False), some_rays(50, generator)
    mark_shell(grid, ball, 0.05)
    cells = march(grid, rays, 1 / 64)
    kept = lit(cells, lambda x: ball(x) + 0.5, rule=RULES["neus"](0.01), scale=SCALE, cutoff=1e-3)
    assert torch.equal(kept.ray, cells.ray)
    torch.testing.assert_close(kept.unit, cells.unit)


def test_places_that_coincide_are_no_end_of_the_light(generator):
    rays = Rays(*(torch.tensor(x) for x in ([[0.0, 0, -1]], [[0.0, 0, 1]], [0.0], [2.0], [0])))
    cells = march(OccupancyGrid(8, contracted=False), rays, 1 / 64)
    twice = Cells(1, *(x.repeat_interleave(2, 0) for x in cells[1:5]), 2 * cells.count)
    twice = twice._replace(length=0.5 * twice.length)
    kept = lit(twice, ball, rule=RULES["neus"](0.01), scale=SCALE, cutoff=1e-3)
    assert 20 < len(kept.ray) < len(twice.ray)
