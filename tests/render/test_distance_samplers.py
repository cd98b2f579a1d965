"""Samplers of signed distances: the bound holds, and places gather where the surface is."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from rayfield.math import quadrature
from rayfield.math.density import laplace_density
from rayfield.math.rays import ray_sphere
from rayfield.render.distance_samplers import (
    Bounded,
    Upsampling,
    bounded,
    clearance,
    error_bound,
    upsampled,
)

RAYS = 40


class Balls:
    """The exact distance of some balls, along rays through them."""

    def __init__(self, generator: torch.Generator, *, balls: int = 4, radius: float = 0.2) -> None:
        self.centres = torch.rand(balls, 3, generator=generator).double() - 0.5
        self.radius, self.asked = radius, 0
        self.origins = 2 * normalize(torch.randn(RAYS, 3, generator=generator)).double()
        target = 0.5 * torch.rand(RAYS, 3, generator=generator).double() - 0.25
        self.directions = normalize(target - self.origins)
        self.near, self.far = torch.full((RAYS,), 0.5).double(), torch.full((RAYS,), 3.5).double()

    def __call__(self, t: Tensor) -> Tensor:
        self.asked += t.shape[-1]
        points = self.origins[:, None] + t[..., None] * self.directions[:, None]
        return (points[..., None, :] - self.centres).norm(dim=-1).amin(-1) - self.radius


@pytest.mark.parametrize("beta", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("n", [30, 200])
def test_opacity_is_never_more_wrong_than_the_bound(beta, n, generator):
    balls = Balls(generator)
    t = balls.near[:, None] + (balls.far - balls.near)[:, None] * (
        torch.rand(RAYS, n, generator=generator).double().sort(-1).values
    )
    value, width = balls(t), torch.full((RAYS, 1), beta).double()
    bound = error_bound(t, value, width)
    delta, fine = t.diff(dim=-1), (torch.arange(64).double() + 0.5) / 64
    inside = t[:, :-1, None] + delta[..., None] * fine
    step = laplace_density(balls(inside.flatten(1)), beta).view_as(inside) * delta[..., None] / 64
    true = (step.flatten(1).cumsum(-1)).view_as(step)  # up to each fine place, about
    rough = laplace_density(value[:, :-1], beta) * delta
    rough = (rough.cumsum(-1) - rough)[..., None] + rough[..., None] * (fine + 0.5 / 64)
    wrong = (torch.exp(-true) - torch.exp(-rough)).abs().amax(-1)
    assert (wrong <= bound + 2e-3).all()
    assert (wrong > 0.2 * bound).any() or bound.max() > 1  # and is not idle


def test_the_bound_goes_to_nothing_under_refinement(generator):
    balls, width = Balls(generator), torch.full((RAYS, 1), 0.1).double()
    worst = []
    for n in (100, 1000, 10_000):
        t = (
            balls.near[:, None]
            + (balls.far - balls.near)[:, None] * torch.linspace(0, 1, n).double()
        )
        worst.append(float(error_bound(t, balls(t), width).max()))
    assert worst[2] < 0.2 * worst[1] < 0.2 * worst[0]
    assert worst[2] < 1e-2


def test_even_places_are_enough_from_the_lemmas_beta_on(generator):
    """Yariv et al. 2021, Lemma 2, with alpha = 1 / beta."""
    balls, n, error = Balls(generator), 129, 0.1
    t = balls.near[:, None] + (balls.far - balls.near)[:, None] * torch.linspace(0, 1, n).double()
    beta = math.sqrt(3.0**2 / (4 * (n - 1) * math.log1p(error)))
    width = torch.full((RAYS, 1), beta).double()
    assert error_bound(t, balls(t), width).max() <= error


def test_clearance_of_a_cell_by_hand():
    value = torch.tensor([[3.0, 4.0], [1.0, 5.0], [5.0, 1.0], [1.0, 1.0], [-1.0, 1.0], [0.6, 0.6]])
    delta = torch.tensor([[5.0], [4.0], [4.0], [3.0], [1.0], [1.0]])
    expected = [3 * 4 / 5, 1.0, 1.0, 0.0, 0.0, math.sqrt(0.36 - 0.25)]
    torch.testing.assert_close(clearance(value, delta)[:, 0], torch.tensor(expected))


@pytest.mark.parametrize("drawn", [False, True])
def test_bounded_places_are_ascending_and_where_the_light_ends(drawn, generator):
    balls = Balls(generator, balls=1, radius=0.45)
    how, source = Bounded(), generator if drawn else None
    t = bounded(balls, balls.near, balls.far, beta=0.01, how=how, generator=source)
    assert t.shape == (RAYS, how.drawn + how.spread + 2)
    assert (t.diff(dim=-1) >= 0).all()
    assert torch.equal(t[:, 0], balls.near)
    assert torch.equal(t[:, -1], balls.far)
    assert balls.asked <= how.even * (how.rounds + 1)
    first, last = ray_sphere(balls.origins - balls.centres[0], balls.directions, radius=0.45)
    deep = (last - first) > 0.4
    assert deep.sum() > 5
    around = ((t - first[:, None]).abs() < 0.06).sum(-1)
    assert (around[deep] > 0.75 * how.drawn).all()
    value = balls(t)
    w = quadrature.weights(laplace_density(value[:, :-1], 0.01), t.diff(dim=-1))
    depth = (w * t[:, :-1]).sum(-1) / w.sum(-1)
    assert (depth - first)[deep].abs().max() < 0.02


def test_wide_surfaces_need_one_round_and_narrow_ones_more(generator):
    asked = []
    for beta in (0.5, 0.005):
        balls = Balls(generator)
        bounded(balls, balls.near, balls.far, beta=beta)
        asked.append(balls.asked)
    assert asked[0] == 128
    assert asked[1] > 256


@pytest.mark.parametrize("drawn", [False, True])
def test_upsampling_gathers_at_the_first_surface(drawn, generator):
    balls = Balls(generator, balls=1, radius=0.45)
    how, source = Upsampling(), generator if drawn else None
    t = upsampled(balls, balls.near, balls.far, how=how, generator=source)
    assert t.shape == (RAYS, 128)
    assert (t.diff(dim=-1) >= 0).all()
    assert balls.asked == 64 + 3 * 16
    first, last = ray_sphere(balls.origins - balls.centres[0], balls.directions, radius=0.45)
    deep = (last - first) > 0.4
    near_first = ((t - first[:, None]).abs() < 0.1).sum(-1)
    near_last = ((t - last[:, None]).abs() < 0.1).sum(-1)
    assert (near_first[deep] > 50).all()
    assert (near_last[deep] < 10).all()
