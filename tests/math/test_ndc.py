"""Normalised device coordinates against the projective map and the released code's formulas."""

from __future__ import annotations

import numpy as np
import torch

from rayfield.math import ndc

NEAR, WIDTH, HEIGHT, FOCAL = 0.8, 40.0, 30.0, 33.0
FLIP = torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64))


def rotation(generator):
    q, r = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    q = q * r.diagonal().sign()
    return q * torch.linalg.det(q)


def some_frustum(generator, *, axes=None):
    axes = rotation(generator) if axes is None else axes
    centre = torch.randn(3, 1, generator=generator, dtype=torch.float64)
    pose = torch.cat([axes, centre], dim=1).reshape(-1).tolist()
    numbers = (*pose, NEAR, 0.5 * WIDTH / FOCAL, 0.5 * HEIGHT / FOCAL)
    return ndc.frustum(numbers, like=torch.zeros((), dtype=torch.float64))


def rays_ahead(f, generator, n=50):
    """Rays that start near the camera, before and behind the near plane, and gain depth."""
    local = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    local[:, 2] = local[:, 2].abs() + 0.5
    origins = f.centre + torch.randn(n, 3, generator=generator, dtype=torch.float64) * 0.3
    directions = torch.nn.functional.normalize(local @ f.axes.T)
    return origins, directions


def released(origins, directions):
    """The formulas of run_nerf_helpers.ndc_rays: camera at the origin, looking along -z."""
    o, d = origins.numpy(), directions.numpy()
    t = -(NEAR + o[:, 2]) / d[:, 2]
    o = o + t[:, None] * d
    o0 = -1 / (WIDTH / (2 * FOCAL)) * o[:, 0] / o[:, 2]
    o1 = -1 / (HEIGHT / (2 * FOCAL)) * o[:, 1] / o[:, 2]
    o2 = 1 + 2 * NEAR / o[:, 2]
    d0 = -1 / (WIDTH / (2 * FOCAL)) * (d[:, 0] / d[:, 2] - o[:, 0] / o[:, 2])
    d1 = -1 / (HEIGHT / (2 * FOCAL)) * (d[:, 1] / d[:, 2] - o[:, 1] / o[:, 2])
    return np.stack([o0, o1, o2], -1), np.stack([d0, d1, -2 * NEAR / o[:, 2]], -1)


def test_warped_rays_agree_with_the_released_code(generator):
    """Up to the axes: its y points up where ours points down."""
    f = some_frustum(generator)
    origins, directions = rays_ahead(f, generator)
    got = ndc.warp_rays(origins, directions, f)
    wanted = released((origins - f.centre) @ f.axes @ FLIP, directions @ f.axes @ FLIP)
    for ours, theirs in zip(got, wanted, strict=True):
        np.testing.assert_allclose((ours * torch.tensor([1, -1, 1])).numpy(), theirs, atol=1e-12)


def test_points_of_a_ray_lie_on_the_straight_warped_ray(generator):
    f = some_frustum(generator)
    origins, directions = rays_ahead(f, generator)
    warped_origins, warped_directions = ndc.warp_rays(origins, directions, f)
    for t in (0.0, 0.1, 0.5, 0.9, 0.999):
        parameter = torch.full((len(origins),), t, dtype=torch.float64)
        metric = ndc.distance(parameter, origins, directions, f=f)
        points = ndc.warp(origins + metric[:, None] * directions, f)
        torch.testing.assert_close(
            points, warped_origins + t * warped_directions, atol=1e-9, rtol=1e-9
        )


def test_the_parameter_is_linear_in_disparity(generator):
    """t' = 1 - o_z / (o_z + t d_z), for origins on the near plane."""
    f = some_frustum(generator)
    origins, directions = rays_ahead(f, generator)
    slope = directions @ f.axes[:, 2]
    depth = (origins - f.centre) @ f.axes[:, 2]
    for t in (0.05, 0.5, 0.95):
        parameter = torch.full_like(slope, t)
        metric = ndc.distance(parameter, origins, directions, f=f)
        torch.testing.assert_close(1 - NEAR / (depth + metric * slope), parameter)


def test_the_near_plane_is_minus_1_and_infinity_is_1(generator):
    f = some_frustum(generator)
    origins, directions = rays_ahead(f, generator)
    o, d = ndc.warp_rays(origins, directions, f)
    torch.testing.assert_close(o[:, 2], -torch.ones(len(o), dtype=torch.float64))
    torch.testing.assert_close(o[:, 2] + d[:, 2], torch.ones(len(o), dtype=torch.float64))


def test_the_corners_of_the_picture_are_the_corners_of_the_cube(generator):
    f = some_frustum(generator)
    corner = torch.tensor([0.5 * WIDTH / FOCAL, 0.5 * HEIGHT / FOCAL, 1.0]).double()
    for depth in (1.0, 7.0, 1e6):
        got = ndc.warp(f.centre + (corner * depth) @ f.axes.T, f)
        torch.testing.assert_close(got[:2], torch.ones(2, dtype=torch.float64))


def test_rays_through_the_reference_centre_run_along_z(generator):
    f = some_frustum(generator)
    _, directions = rays_ahead(f, generator)
    _, warped = ndc.warp_rays(f.centre.expand_as(directions), directions, f)
    assert warped[:, :2].abs().max() < 1e-12


def test_scaling_the_world_changes_nothing(generator):
    f = some_frustum(generator)
    origins, directions = rays_ahead(f, generator)
    large = f._replace(centre=f.centre * 7, near=f.near * 7)
    for a, b in zip(
        ndc.warp_rays(origins, directions, f),
        ndc.warp_rays(origins * 7, directions, large),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_stretch_is_the_length_of_the_warped_step_along_central_rays(generator):
    f = some_frustum(generator)
    _, directions = rays_ahead(f, generator)
    t = NEAR / (directions @ f.axes[:, 2]) * 1.7
    points = f.centre + t[:, None] * directions
    step = 1e-6
    moved = ndc.warp(points + step * directions, f) - ndc.warp(points, f)
    torch.testing.assert_close(ndc.stretch(points, f), moved.norm(dim=-1) / step, rtol=1e-4, atol=0)
    assert (ndc.stretch(f.centre - directions, f) == 0).all()


def test_only_rays_that_gain_depth_lead_away(generator):
    f = some_frustum(generator)
    directions = torch.stack([f.axes[:, 2], -f.axes[:, 2], f.axes[:, 0]])
    assert ndc.leads_away(directions, f).tolist() == [True, False, False]


def test_rays_begin_at_the_near_plane_or_where_they_are_beyond_it(generator):
    f = some_frustum(generator)
    forward = f.axes[:, 2]
    origins = torch.stack([f.centre + depth * forward for depth in (-1.0, 0.3, 2.0)])
    start = ndc.start(origins, f)
    torch.testing.assert_close(start, torch.tensor([0, 0, 1 - NEAR / 2.0]).double())
    o, d = ndc.warp_rays(origins, forward.expand(3, 3), f)
    torch.testing.assert_close((o + start[:, None] * d)[2], ndc.warp(origins, f)[2])
