from __future__ import annotations

import math

import pytest
import torch

from rayfield.core.types import Rays
from rayfield.geometry.icosphere import icosphere
from rayfield.math.rays import pixel_grid, ray_sphere
from rayfield.render import raster

SIDE = 64


def pixels(side: int = SIDE) -> torch.Tensor:
    """Centres of the pixels of a square picture of side 1."""
    return pixel_grid(side, side) / side


def drawn(points, corners, softness):
    """Silhouettes of triangles [F 3 2] at points [P 2]."""
    groups = [torch.zeros(len(x), dtype=torch.long) for x in (points, corners)]
    found = raster.fragments(points, corners, softness, point_group=groups[0], face_group=groups[1])
    return raster.silhouette(found, len(points))


def cross(a, b):
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def covered(points, corners):
    """The reference: whether a point lies in any triangle, asked of each by three half-planes."""
    a, b = corners, corners.roll(-1, 1)
    side = cross((b - a)[None], points[:, None, None] - a[None])
    return ((side > 0).all(-1) | (side < 0).all(-1)).any(-1)


def readable(points, corners, softness):
    """The twin: 1 - prod(1 - D) over all triangles, border distances by brute force."""
    a, b = corners, corners.roll(-1, 1)
    along, away = (b - a)[None], points[:, None, None] - a[None]
    part = ((away * along).sum(-1) / (along * along).sum(-1)).clamp(0, 1)
    square = (away - part[..., None] * along).square().sum(-1).amin(-1)
    side = cross(along, away)
    sign = ((side > 0).all(-1) | (side < 0).all(-1)).double() * 2 - 1
    coverage = torch.sigmoid(sign * square / softness**2)
    near = (sign > 0) | (square <= (raster.REACH * softness) ** 2)
    return 1 - (1 - torch.where(near, coverage, 0.0)).prod(-1)


def some_triangles(count, generator):
    middle = torch.rand(count, 1, 2, generator=generator, dtype=torch.float64)
    spread = torch.rand(count, 3, 2, generator=generator, dtype=torch.float64) - 0.5
    return middle + 0.4 * spread


@pytest.mark.parametrize("softness", [0.003, 0.02, 0.1])
def test_values_and_gradients_are_those_of_the_readable_twin(softness, generator):
    corners = some_triangles(20, generator).requires_grad_()
    points = pixels()
    out = [f(points, corners, softness) for f in (drawn, readable)]
    torch.testing.assert_close(out[0], out[1], rtol=0, atol=1e-9)
    mix = torch.rand(len(points), generator=generator, dtype=torch.float64)
    grads = [torch.autograd.grad((mix * x).sum(), corners)[0] for x in out]
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-6, atol=1e-9)


def test_f1_as_softness_vanishes_the_silhouette_is_the_hard_mask(generator):
    corners = some_triangles(12, generator)
    points, inside = pixels(), covered(pixels(), corners)
    wrong = [
        (drawn(points, corners, s) - inside.double()).abs().mean() for s in (0.02, 0.002, 1e-9)
    ]
    assert wrong[2] < 1e-6
    assert wrong[1] < wrong[0] / 4


def test_f1_a_pixel_on_the_edge_of_one_triangle_is_half_covered():
    triangle = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]], dtype=torch.float64)
    on_edges = torch.tensor([[0.5, 0.0], [0.0, 0.3], [0.5, 0.5]], dtype=torch.float64)
    for softness in (0.1, 1e-3):
        half = torch.full((3,), 0.5, dtype=torch.float64)
        torch.testing.assert_close(drawn(on_edges, triangle, softness), half)


@pytest.mark.parametrize("shift", [(1, 0), (0, 1), (-3, 2)])
def test_f2_a_triangle_moved_by_pixels_moves_its_silhouette_by_as_many(shift):
    triangle = torch.tensor([[[0.4, 0.4], [0.7, 0.45], [0.5, 0.7]]], dtype=torch.float64)
    moved = triangle + torch.tensor(shift, dtype=torch.float64) / SIDE
    before, after = (drawn(pixels(), x, 0.02).reshape(SIDE, SIDE) for x in (triangle, moved))
    torch.testing.assert_close(after, before.roll(shift[::-1], (0, 1)), rtol=0, atol=1e-12)


def test_f3_the_gradient_of_the_area_is_half_the_opposite_edge_turned_by_a_right_angle():
    corners = torch.tensor([[0.2, 0.25], [0.8, 0.35], [0.4, 0.75]], dtype=torch.float64)
    edge = corners.roll(-2, 0) - corners.roll(-1, 0)
    exact = 0.5 * torch.stack([-edge[:, 1], edge[:, 0]], dim=1)  # outwards, for this orientation
    errors = []
    for side, softness in ((64, 0.08), (128, 0.02), (512, 0.005)):
        free = corners[None].clone().requires_grad_()
        area = drawn(pixels(side), free, softness).mean()
        (found,) = torch.autograd.grad(area, free)
        errors.append(float((found[0] - exact).abs().max()))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.003 * float(exact.abs().max())


def test_shares_of_triangles_add_up_to_one_and_favour_the_nearer():
    point = torch.tensor([0, 0, 1, 2])
    found = raster.Fragments(
        point, torch.arange(4), torch.tensor([2.0, 2.0, -30.0, 200.0]), torch.full((4, 3), 1 / 3)
    )
    near = torch.tensor([0.6, 0.5, 0.5, 0.5])
    share = raster.shares(found, near, 3, sharpness=50.0)
    torch.testing.assert_close(torch.zeros(3).index_add(0, point, share), torch.ones(3))
    torch.testing.assert_close(share[0] / share[1], torch.tensor(math.exp(5.0)), rtol=1e-5, atol=0)


def camera(side: int = 32) -> Rays:
    """Rays from (0, 0, -3) that cover the unit ball."""
    at = 2.4 * pixels(side).float() - 1.2
    directions = torch.cat([at, torch.full((len(at), 1), 3.0)], dim=1)
    directions = torch.nn.functional.normalize(directions)
    origins = torch.tensor([0.0, 0.0, -3.0]).expand(len(at), 3)
    zero = torch.zeros(len(at))
    return Rays(origins, directions, zero, zero + 6, torch.full((len(at),), -1))


def test_a_mesh_of_the_sphere_is_seen_as_the_sphere():
    mesh = icosphere(4, radius=0.8)
    vertices = torch.from_numpy(mesh.vertices).float()
    colors = 0.5 + 0.5 * vertices / 0.8
    rays = camera()
    out = raster.render(
        vertices, torch.from_numpy(mesh.faces).long(), colors, rays=rays, softness=1e-3,
        sharpness=1e3, background=torch.zeros(1, 3),
    )  # fmt: skip
    near, far = ray_sphere(rays.origins, rays.directions, radius=0.8)
    hit = far > near
    assert (hit == (out.opacity > 0.5)).float().mean() > 0.99
    deep = far - near > 0.8  # away from the outline, where a mesh's flat faces differ
    torch.testing.assert_close(out.depth[deep], near[deep], rtol=0, atol=0.01)
    place = rays.origins + near[:, None] * rays.directions
    shown = out.color / out.opacity[:, None]  # less than opaque on edges of triangles
    torch.testing.assert_close(shown[deep], 0.5 + 0.5 * place[deep] / 0.8, rtol=0, atol=0.02)


def test_rays_are_drawn_alike_in_any_order_and_eye_by_eye(generator):
    mesh = icosphere(2, radius=0.8)
    vertices = torch.from_numpy(mesh.vertices).float()
    front = camera(16)
    turn = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    side = front._replace(origins=front.origins @ turn, directions=front.directions @ turn)
    both = Rays(*(torch.cat(x) for x in zip(front, side, strict=True)))
    order = torch.randperm(len(both.near), generator=generator)

    def seen(rays):
        return raster.render(
            vertices, torch.from_numpy(mesh.faces).long(), vertices.abs(), rays=rays,
            softness=0.02, sharpness=100.0, background=torch.ones(1, 3),
        )  # fmt: skip

    mixed = seen(Rays(*(x[order] for x in both)))
    apart = torch.cat([seen(front).color, seen(side).color])
    torch.testing.assert_close(mixed.color, apart[order], rtol=0, atol=1e-5)


def test_triangles_without_area_and_behind_the_eye_are_harmless():
    vertices = torch.tensor([[0.0, 0, 0], [0, 0, 0], [0.1, 0, 0], [0, 0, -9]], requires_grad=True)
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    out = raster.render(
        vertices, faces, torch.full((4, 3), 0.5), rays=camera(8), softness=0.1, sharpness=10.0,
        background=torch.ones(1, 3),
    )  # fmt: skip
    out.color.sum().backward()
    assert out.color.isfinite().all()
    assert vertices.grad.isfinite().all()
