"""Made-up scenes against their closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from rayfield.core.types import Camera
from rayfield.data.images import read_image
from rayfield.data.load import load_scene
from rayfield.data.synthetic import (
    AMBIENT,
    LIGHT,
    Solid,
    look_at_origin,
    picture,
    toy,
    trace,
    write_scene,
    write_toys,
)

BALL = Solid(True, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (1.0, 0.5, 0.0))
BOX = Solid(False, (0.0, 0.0, 0.0), (1.0, 0.5, 0.25), (0.2, 0.4, 0.6))


def rays(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """From outside, towards the middle region."""
    rng = np.random.default_rng(seed)
    origins = rng.normal(size=(n, 3))
    origins *= 4 / np.linalg.norm(origins, axis=1, keepdims=True)
    directions = rng.uniform(-0.7, 0.7, (n, 3)) - origins
    return origins, directions / np.linalg.norm(directions, axis=1, keepdims=True)


def test_the_light_is_a_unit_vector():
    assert np.linalg.norm(LIGHT) == pytest.approx(1)


@pytest.mark.parametrize("solid", [BALL, BOX, toy(3)[0], toy(3)[1]])
def test_hits_lie_on_the_surface_and_nothing_before_them_is_inside(solid):
    origins, directions = rays(400)
    rgba, depth = trace((solid,), origins, directions)
    hit = rgba[:, 3] == 1

    def level(points: np.ndarray) -> np.ndarray:  # 1 on the surface, less inside
        scaled = (points - np.array(solid.centre)) / np.array(solid.half)
        return (scaled**2).sum(-1) if solid.round else np.abs(scaled).max(-1)

    assert hit.sum() > 20
    ends = origins + depth[:, None] * directions
    np.testing.assert_allclose(level(ends[hit]), 1, rtol=1e-9)
    along = np.linspace(0, 1, 200)[:-1]
    before = origins[hit, None] + along[:, None] * (depth[hit, None, None] * directions[hit, None])
    assert level(before).min() >= 1 - 1e-9
    beyond = origins[~hit, None] + np.linspace(0, 8, 400)[:, None] * directions[~hit, None]
    assert level(beyond).min() > 1


def test_a_ball_is_lit_by_the_cosine_to_the_light():
    lit, _ = trace((BALL,), 4 * LIGHT[None], -LIGHT[None])
    dark, _ = trace((BALL,), -4 * LIGHT[None], LIGHT[None])
    np.testing.assert_allclose(lit[0], [1, 0.5, 0, 1])
    np.testing.assert_allclose(dark[0], [AMBIENT, 0.5 * AMBIENT, 0, 1])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_box_is_lit_by_its_face(axis):
    origin = np.zeros((1, 3))
    origin[0, axis] = -4
    rgba, depth = trace((BOX,), origin, -origin / 4)
    assert depth[0] == pytest.approx(4 - BOX.half[axis])
    shade = AMBIENT + (1 - AMBIENT) * max(0.0, -LIGHT[axis])
    np.testing.assert_allclose(rgba[0, :3], shade * np.array(BOX.color))


def test_the_nearer_solid_hides_the_other_in_either_order():
    near = BALL._replace(centre=(0.0, 0.0, 1.5), half=(0.2, 0.2, 0.2))
    ray = np.array([[0.0, 0.0, 4.0]]), np.array([[0.0, 0.0, -1.0]])
    for solids in ((near, BOX), (BOX, near)):
        _, depth = trace(solids, *ray)
        assert depth[0] == pytest.approx(2.3)


def test_rays_that_meet_nothing_are_transparent():
    rgba, depth = trace((BALL, BOX), np.array([[0.0, 3.0, 4.0]]), np.array([[0.0, 0.0, -1.0]]))
    assert not rgba.any()
    assert not depth.any()


def test_a_picture_covers_the_disc_that_a_ball_subtends():
    """Tangents of a unit ball at distance 4: radius f tan(asin(1/4)) pixels."""
    pose = look_at_origin(np.array([4.0, 0.0, 0.0]))
    camera = Camera(60, 60, 80.0, 80.0, 30.0, 30.0, pose)
    alpha = picture((BALL,), camera)[..., 3]
    radius = 80 * np.tan(np.arcsin(1 / 4))
    assert alpha.sum() == pytest.approx(np.pi * radius**2, rel=0.005)
    np.testing.assert_allclose(alpha, alpha[:, ::-1], atol=1e-9)


def test_colour_is_straight_where_a_pixel_is_half_covered():
    flat = Solid(False, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.3, 0.6, 0.9))
    camera = Camera(40, 40, 80.0, 80.0, 20.0, 20.0, look_at_origin(np.array([6.1, 0.0, 0.0])))
    rgba = picture((flat,), camera)
    part = (rgba[..., 3] > 0) & (rgba[..., 3] < 1)
    assert part.any()
    ratio = rgba[part, :3] / np.array(flat.color)
    np.testing.assert_allclose(ratio, ratio[:, :1].repeat(3, 1), rtol=1e-6)


def test_a_written_scene_reads_back_with_its_poses_and_pictures(tmp_path):
    write_scene(tmp_path / "one", toy(0), views={"train": 5, "test": 2}, size=24)
    scene = load_scene(tmp_path / "one")
    assert {s: len(scene.split(s)) for s in ("train", "val", "test")} == {
        "train": 5,
        "val": 0,
        "test": 2,
    }
    assert scene.traits.bounded
    for frame in scene.split("test"):
        pose = scene.world_from_scene @ frame.camera.pose
        pose[:3, :3] /= scene.world_from_scene[0, 0]
        np.testing.assert_allclose(pose, look_at_origin(pose[:3, 3]), atol=1e-9)
        own = np.linalg.norm(pose[:3, 3])
        assert own == pytest.approx(4)
        seen = picture(toy(0), Camera(24, 24, *(frame.camera.fx,) * 2, 12.0, 12.0, pose))
        stored = read_image(frame.path, size=(24, 24), downscale=1) / 255
        np.testing.assert_allclose(stored, seen, atol=0.51 / 255)


def test_toys_differ_and_the_same_seed_makes_them_again(tmp_path):
    for name in ("a", "b"):
        write_toys(tmp_path / name, scenes=2, views={"train": 1}, size=16)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 4
    assert all(
        (tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files
    )
    assert toy(0) != toy(1)


@pytest.mark.parametrize("seed", range(5))
def test_toys_stand_on_the_floor_with_the_ball_on_the_box(seed):
    box, ball = toy(seed)
    top = box.centre[2] + box.half[2]
    assert box.centre[2] - box.half[2] == pytest.approx(-0.75)
    assert ball.centre[2] - ball.half[2] == pytest.approx(top)
