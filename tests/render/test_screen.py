from __future__ import annotations

import torch
from torch.nn.functional import normalize

from rayfield.core.types import Rays
from rayfield.render.screen import closeness, project, screens


def rays_towards(origins, targets) -> Rays:
    zero = torch.zeros(len(origins))
    directions = normalize(targets - origins)
    return Rays(origins, directions, zero, zero + 1, torch.full((len(origins),), -1))


def test_a_point_is_seen_where_the_ray_to_it_crosses_the_picture(generator):
    eyes = normalize(torch.randn(4, 3, generator=generator)) * torch.tensor([[2.0], [3], [4], [9]])
    points = torch.rand(10, 3, generator=generator) - 0.5
    rays = rays_towards(eyes.repeat_interleave(10, 0), points.repeat(4, 1))
    seen = screens(rays)
    assert torch.equal(seen.eyes, eyes)
    assert torch.equal(seen.eye, torch.arange(4).repeat_interleave(10))
    at, depth = project(seen, points)
    torch.testing.assert_close(at.flatten(0, 1), seen.at, rtol=1e-4, atol=1e-5)
    # depth along the line of sight, times `stretch`, is the length of the ray
    length = (points - eyes[:, None]).norm(dim=-1).flatten()
    torch.testing.assert_close(depth.flatten() * seen.stretch, length)


def test_lengths_at_the_middle_of_the_scene_are_kept(generator):
    eye = normalize(torch.randn(1, 3, generator=generator)) * 3
    across = torch.linalg.cross(eye, torch.randn(1, 3, generator=generator))
    points = torch.cat([torch.zeros(1, 3), 0.3 * normalize(across)])
    at, _ = project(screens(rays_towards(eye, -eye)), points)
    torch.testing.assert_close(at[0, 0], torch.zeros(2), rtol=0, atol=1e-6)
    torch.testing.assert_close(at[0, 1].norm(), torch.tensor(0.3))


def test_rays_that_lead_away_and_points_behind_are_left_out():
    eye = torch.tensor([[0.0, 0.0, 2.0]])
    away = rays_towards(eye.expand(2, 3), torch.tensor([[0.0, 0.0, 3.0], [0.0, 0.0, 0.0]]))
    seen = screens(away)
    assert seen.ray.tolist() == [1]
    at, _ = project(seen, torch.tensor([[0.0, 0.0, 5.0], [0.0, 0.0, 1.0]]))
    assert at[0, 0].isnan().all()
    assert at[0, 1].isfinite().all()


def test_what_is_nearer_is_closer():
    depth = torch.tensor([2 - 3**0.5, 2.0, 2 + 3**0.5])
    torch.testing.assert_close(closeness(depth, torch.full((3,), 2.0)), torch.tensor([1, 0.5, 0]))
