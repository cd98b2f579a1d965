"""Truths about cameras, hits and contraction (closed forms and brute force)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rayfield.core.types import Camera, Lens
from rayfield.math.rays import (
    camera_directions,
    camera_rays,
    contract,
    pixel_grid,
    project,
    ray_box,
    ray_sphere,
    uncontract,
)

LENSES: dict[str, tuple[Lens, tuple[float, ...]]] = {
    "none": ("perspective", ()),
    "phone": ("perspective", (0.0578421, -0.0805099, -0.000980296, 0.00015575)),
    "barrel": ("perspective", (-0.28, 0.09, 0.001, -0.002, -0.012)),
    "rational": ("perspective", (0.9, 0.3, 0.0005, 0.0003, 0.02, 1.2, 0.5, 0.06)),
    "eighth power": ("perspective", (0.05, -0.02, 0.0, 0.0, 0.01, 0.0, 0.0, 0.0, 0.004)),
    "equidistant": ("fisheye", ()),
    "fisheye": ("fisheye", (0.06, -0.012, 0.004, -0.0008)),
}
WIDE = 16.0  # focal length at which the corners of 61x35 pixels are beyond 90 degrees


def camera(
    distortion: tuple[float, ...] = (), lens: Lens = "perspective", *, focal: float = 44.0
) -> Camera:
    """A camera somewhere in space, with an off-centre principal point."""
    rotation, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    pose = np.eye(4)
    pose[:3, :3] = rotation * np.sign(np.linalg.det(rotation))
    pose[:3, 3] = (0.3, -2.0, 1.1)
    return Camera(61, 35, focal, focal + 1, 31.2, 16.4, pose, distortion, lens)


def test_principal_point_looks_along_plus_z():
    c = camera()
    direction = camera_directions(c, torch.tensor([[c.cx, c.cy]], dtype=torch.float64))
    assert torch.allclose(direction, torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64))


def test_border_rays_subtend_the_field_of_view():
    c = Camera(60, 40, 50.0, 50.0, 30.0, 20.0, np.eye(4))
    pixels = torch.tensor([[0.0, 20.0], [60.0, 20.0]], dtype=torch.float64)
    left, right = camera_directions(c, pixels)
    angle = torch.acos((left * right).sum())
    assert math.tan(float(angle) / 2) == pytest.approx(60 / (2 * 50), rel=1e-12)


def test_pixel_offset_zero_is_the_rule_of_the_original_nerf():
    w, h, f = 6, 4, 5.0
    c = Camera(w, h, f, f, w / 2, h / 2, np.eye(4))
    got = camera_directions(c, pixel_grid(w, h, pixel_offset=0.0)).reshape(h, w, 3)
    j, i = np.meshgrid(np.arange(h), np.arange(w), indexing="ij")
    opengl = np.stack([(i - w / 2) / f, -(j - h / 2) / f, -np.ones((h, w))], axis=-1)
    expected = opengl * (1, -1, -1) / np.linalg.norm(opengl, axis=-1, keepdims=True)
    assert np.allclose(got.numpy(), expected, atol=1e-15)


def test_pixel_grid_is_row_major_with_centres_at_one_half():
    grid = pixel_grid(3, 2)
    assert grid.tolist()[:4] == [[0.5, 0.5], [1.5, 0.5], [2.5, 0.5], [0.5, 1.5]]


@pytest.mark.parametrize("lens", LENSES)
def test_projecting_any_point_of_a_ray_gives_its_pixel(lens):
    kind, distortion = LENSES[lens]
    c = camera(distortion, kind)
    pixels = pixel_grid(c.width, c.height)
    origins, directions = camera_rays(c, pixels)
    assert torch.allclose(directions.norm(dim=-1), torch.ones(len(pixels), dtype=torch.float64))
    for t in (1e-3, 1.0, 1e4):
        found, depth = project(c, origins + t * directions)
        assert (found - pixels).abs().max() < 1e-6
        assert (depth > 0).all()


@pytest.mark.parametrize("lens", ["equidistant", "fisheye"])
def test_a_fisheye_sees_behind_itself(lens):
    c = camera(LENSES[lens][1], "fisheye", focal=WIDE)
    pixels = pixel_grid(c.width, c.height)
    origins, directions = camera_rays(c, pixels)
    assert torch.allclose(directions.norm(dim=-1), torch.ones(len(pixels), dtype=torch.float64))
    found, depth = project(c, origins + 2.5 * directions)
    assert (found - pixels).abs().max() < 1e-6
    assert (depth < 0).any()


def test_an_equidistant_pixel_is_its_angle_off_the_middle():
    c = Camera(400, 400, 100.0, 100.0, 200.0, 200.0, np.eye(4), (), "fisheye")
    turned = torch.tensor([[200.0 + 100 * math.pi / 2, 200.0], [200.0, 200.0 - 100 * 0.3]])
    side, up = camera_directions(c, turned.double())
    assert side.tolist() == pytest.approx([1.0, 0.0, 0.0], abs=1e-6)
    assert up.tolist() == pytest.approx([0.0, -math.sin(0.3), math.cos(0.3)])


def test_what_a_fisheye_cannot_see_is_put_outside_of_what_it_can():
    c = Camera(100, 100, 30.0, 30.0, 50.0, 50.0, np.eye(4), (-0.2,), "fisheye")  # folds at 74 deg
    angle = torch.linspace(0.01, 3.1, 200, dtype=torch.float64)
    points = torch.stack([angle.sin(), torch.zeros_like(angle), angle.cos()], dim=-1)
    column = project(c, points)[0][:, 0]
    assert (column.diff() > 0).all()


def test_depth_is_negative_behind_the_camera():
    c = camera()
    origins, directions = camera_rays(c, pixel_grid(c.width, c.height))
    assert (project(c, origins - directions)[1] < 0).all()


def random_rays(n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Rays from all around, many of which miss the unit cube."""
    origins = 3 * torch.randn(n, 3, generator=generator, dtype=torch.float64)
    towards = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    return origins, torch.nn.functional.normalize(towards - origins, dim=-1)


@pytest.mark.parametrize(
    ("hit", "inside"),
    [
        (ray_box, lambda p: p.abs().amax(-1) <= 1),
        (ray_sphere, lambda p: p.norm(dim=-1) <= 1),
    ],
    ids=["box", "sphere"],
)
def test_hits_agree_with_densely_sampled_rays(hit, inside, generator):
    origins, directions = random_rays(300, generator)
    near, far = hit(origins, directions)
    t = torch.linspace(0, 20, 8001, dtype=torch.float64)
    filled = inside(origins[:, None] + t[:, None] * directions[:, None])
    predicted = (t >= near[:, None]) & (t <= far[:, None]) & (far > 0)[:, None]
    assert 20 < (far == 0).sum() < 280
    assert (filled != predicted).float().mean() < 1e-3


def test_sphere_hits_have_their_closed_form():
    offset = torch.tensor([0.0, 0.6, 0.999, 1.0, 1.001], dtype=torch.float64)
    zero = torch.zeros_like(offset)
    origins = torch.stack([offset, zero, zero - 5], dim=-1)
    near, far = ray_sphere(origins, torch.tensor([[0.0, 0, 1]], dtype=torch.float64).expand(5, 3))
    half = (1 - offset[:4] ** 2).sqrt()
    assert torch.allclose(near[:4], 5 - half)
    assert torch.allclose(far[:4], 5 + half)
    assert near[3] == far[3] == 5  # the tangent touches at one point
    assert near[4] == far[4] == 0


@pytest.mark.parametrize("hit", [ray_box, ray_sphere])
def test_rays_that_start_inside_enter_at_once_and_those_behind_miss(hit):
    origins = torch.tensor([[0.2, 0.0, 0.0], [3.0, 0.0, 0.0]])
    near, far = hit(origins, torch.tensor([[1.0, 0.0, 0.0]]).expand(2, 3))
    assert near.tolist() == [0.0, 0.0]
    assert far.tolist() == pytest.approx([0.8, 0.0])


def test_box_hit_along_an_edge_or_a_face_is_finite():
    origins = torch.tensor([[1.0, 1.0, -4.0], [0.0, 1.0, -4.0], [0.0, 0.0, -4.0], [0.0, 2.0, -4.0]])
    near, far = ray_box(origins, torch.tensor([[0.0, 0.0, 1.0]]).expand(4, 3))
    assert near.isfinite().all()
    assert far.isfinite().all()
    assert (near[2], far[2]) == (3.0, 5.0)
    assert (near[3], far[3]) == (0.0, 0.0)


def points_at(radii: list[float], generator: torch.Generator) -> torch.Tensor:
    directions = torch.randn(len(radii), 3, generator=generator, dtype=torch.float64)
    unit = torch.nn.functional.normalize(directions, dim=-1)
    return unit * torch.tensor(radii, dtype=torch.float64)[:, None]


def test_contraction_is_the_identity_inside_the_unit_ball(generator):
    points = points_at([0.0, 1e-6, 0.3, 0.999], generator)
    assert torch.equal(contract(points), points)
    assert torch.equal(uncontract(points), points)


def test_contraction_stays_below_two_and_keeps_directions(generator):
    radii = [1.5, 2.0, 10.0, 1e6]
    points = points_at(radii, generator)
    contracted = contract(points)
    assert contracted.norm(dim=-1).tolist() == pytest.approx([2 - 1 / r for r in radii])
    assert torch.allclose(torch.linalg.cross(points, contracted), torch.zeros_like(points))


def test_uncontract_inverts_contract(generator):
    points = points_at([0.5, 1.0, 1.2, 7.0, 1e4], generator)
    assert torch.allclose(uncontract(contract(points)), points, rtol=1e-9)


@pytest.mark.parametrize("r", [1.3, 4.0])
def test_contraction_jacobian_has_its_singular_values(r, generator):
    point = points_at([r], generator)[0]
    jacobian = torch.autograd.functional.jacobian(contract, point)
    expected = sorted([1 / r**2, (2 - 1 / r) / r, (2 - 1 / r) / r], reverse=True)
    assert torch.linalg.svdvals(jacobian).tolist() == pytest.approx(expected)


def test_contraction_has_a_finite_gradient_at_the_origin():
    point = torch.zeros(3, dtype=torch.float64)
    assert torch.equal(
        torch.autograd.functional.jacobian(contract, point), torch.eye(3, dtype=torch.float64)
    )
