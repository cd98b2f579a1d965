"""The conventions of core/types.py, checked end to end with a camera one can follow by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from rayfield.core.check import DataError, RayfieldError, UsageError
from rayfield.core.types import Camera, Rays, Samples, SceneTraits
from rayfield.data.pixels import camera_rays
from rayfield.geometry.marching import extract
from rayfield.geometry.mesh import face_normals, volume
from rayfield.math.rays import project, ray_sphere

WIDTH, HEIGHT, FOCAL = 4, 2, 3.0


def camera(rotation: np.ndarray | None = None, position=(0.0, 0.0, 0.0)) -> Camera:
    pose = np.eye(4)
    pose[:3, :3] = np.eye(3) if rotation is None else rotation
    pose[:3, 3] = position
    return Camera(WIDTH, HEIGHT, FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2, pose)


def traits(*, bounded: bool = True) -> SceneTraits:
    return SceneTraits(bounded=bounded, alpha=True, images=1, near=0.1)


def turned() -> np.ndarray:
    """A proper rotation about no axis of the frame."""
    q, _ = np.linalg.qr(np.array([[1.0, 2, 3], [0, 1, 4], [5, 6, 0]]))
    return q * np.sign(np.linalg.det(q))


def test_pixels_are_row_major_and_their_centres_lie_at_one_half():
    directions = camera_rays(camera(), traits()).directions
    assert len(directions) == WIDTH * HEIGHT
    plane = directions[:, :2] / directions[:, 2:]
    expected = [
        [(column + 0.5 - WIDTH / 2) / FOCAL, (row + 0.5 - HEIGHT / 2) / FOCAL]
        for row in range(HEIGHT)
        for column in range(WIDTH)
    ]
    torch.testing.assert_close(plane, torch.tensor(expected))


def test_camera_looks_along_z_with_x_right_and_y_down():
    directions = camera_rays(camera(), traits()).directions.view(HEIGHT, WIDTH, 3)
    assert (directions[..., 2] > 0).all()
    assert (directions[:, 1:, 0] > directions[:, :-1, 0]).all()  # columns go right
    assert (directions[1:, :, 1] > directions[:-1, :, 1]).all()  # rows go down
    up_in_the_picture, below = torch.tensor([[0.0, -1, 5]]), torch.tensor([[0.0, 1, 5]])
    assert project(camera(), up_in_the_picture)[0][0, 1] < project(camera(), below)[0][0, 1]


def test_camera_frames_are_right_handed():
    right, down, forward = np.eye(3)
    np.testing.assert_array_equal(np.cross(right, down), forward)


def test_directions_have_unit_length_so_that_t_is_a_length():
    rays = camera_rays(camera(turned(), (0.5, -2.0, 1.0)), traits(bounded=False))
    torch.testing.assert_close(rays.directions.norm(dim=-1), torch.ones(WIDTH * HEIGHT))
    near, _ = ray_sphere(torch.tensor([[0.0, 0, -3]]), torch.tensor([[0.0, 0, 1]]), radius=0.5)
    assert near.item() == pytest.approx(2.5)


def test_pose_takes_camera_coordinates_to_the_world():
    position = (0.3, -0.2, 4.0)
    rays = camera_rays(camera(turned(), position), traits(bounded=False))
    still = camera_rays(camera(), traits(bounded=False))
    torch.testing.assert_close(rays.origins[0], torch.tensor(position))
    expected = still.directions @ torch.from_numpy(turned()).float().T
    torch.testing.assert_close(rays.directions, expected)


def test_a_point_on_a_ray_projects_to_the_centre_of_its_pixel():
    view = camera(turned(), (1.0, 2.0, 3.0))
    rays = camera_rays(view, traits(bounded=False))
    points = rays.origins + 2.5 * rays.directions
    pixels, depth = project(view, points)
    columns, rows = torch.arange(WIDTH) + 0.5, torch.arange(HEIGHT) + 0.5
    expected = torch.cartesian_prod(rows, columns).flip(-1)
    torch.testing.assert_close(pixels, expected, rtol=0, atol=1e-4)
    assert (depth > 0).all()
    assert (depth < 2.5).all()  # depth is along the axis, t along the ray


def test_near_and_far_bound_the_part_of_a_ray_inside_the_scene():
    rays = camera_rays(camera(position=(0.0, 0.0, -3.0)), traits())
    hit = rays.far > 0
    assert hit.any()
    for t in (rays.near, rays.far):
        points = (rays.origins + t[:, None] * rays.directions)[hit]
        torch.testing.assert_close(points.abs().amax(-1), torch.ones(int(hit.sum())))
    away = camera_rays(camera(position=(0.0, 0.0, 3.0)), traits())
    assert (away.far == 0).all()


def test_rays_of_a_new_view_belong_to_no_photo():
    assert (camera_rays(camera(), traits()).image == -1).all()


@pytest.mark.parametrize("inside", ["below", "above"])
def test_faces_are_counter_clockwise_seen_from_outside(inside):
    """A signed distance is negative inside; a density is large inside."""
    sign = 1 if inside == "below" else -1
    mesh = extract(
        lambda x: sign * (x.norm(dim=-1) - 0.7),
        level=0.0,
        box_min=(-1.0, -1.0, -1.0),
        box_max=(1.0, 1.0, 1.0),
        resolution=24,
        inside=inside,
    )
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    assert (np.einsum("fk,fk->f", np.cross(b - a, c - a), a + b + c) > 0).all()
    assert (np.einsum("fk,fk->f", face_normals(mesh), a + b + c) > 0).all()
    assert volume(mesh) == pytest.approx(4 / 3 * np.pi * 0.7**3, rel=0.02)
    assert (np.einsum("vk,vk->v", mesh.normals, mesh.vertices) > 0).all()


def test_packed_samples_name_their_ray_and_its_slots():
    ray = torch.tensor([0, 0, 2])
    samples = Samples(
        torch.tensor([0.0, 1, 0]), torch.tensor([1.0, 2, 1]), ray,
        torch.tensor([0, 2, 2]), torch.tensor([2, 0, 1]),
    )  # fmt: skip
    for r, (first, count) in enumerate(zip(samples.first, samples.count, strict=True)):
        assert (samples.ray[first : first + count] == r).all()


def test_records_cannot_be_changed():
    with pytest.raises(AttributeError):
        camera().width = 5
    with pytest.raises(AttributeError):
        Rays(*[torch.zeros(0)] * 5).near = torch.zeros(1)


@pytest.mark.parametrize(
    ("error", "code"),
    [(RayfieldError("x"), 1), (UsageError("x"), 2), (DataError("a", "b"), 3)],
)
def test_errors_have_their_exit_codes(error, code):
    assert error.exit_code == code
    assert isinstance(error, RayfieldError)
    assert not isinstance(error, (ValueError, OSError))


def test_a_data_error_says_where_what_and_what_to_do():
    error = DataError(Path("a/b.json"), "frame 3 has no pose", "add transform_matrix")
    assert str(error) == "a/b.json: frame 3 has no pose; add transform_matrix"
    assert (error.path, error.what, error.fix) == (
        Path("a/b.json"), "frame 3 has no pose", "add transform_matrix",
    )  # fmt: skip
    assert str(DataError("c.ply", "is empty")) == "c.ply: is empty"
    assert DataError("c.ply", "is empty").path == Path("c.ply")
