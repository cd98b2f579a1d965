"""Parts of pictures: what the field tells of some rays, in every mode."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rayfield.app.viewer.messages import parse
from rayfield.app.viewer.tiles import Range, cropped, cut, draw, range_of, render_tile
from rayfield.core.types import Rays

SIZE = 64, 48
RADIUS = 0.5  # of the ball


@pytest.fixture
def tile_of(ball, words):
    """A whole picture of the ball, and the look that asked for it."""

    def rendered(**more):
        look = parse(words(width=SIZE[0], height=SIZE[1], **more), np.eye(4))
        return render_tile(ball, look.camera(*SIZE), look), look

    return rendered


def test_depth_is_the_distance_to_the_ball(tile_of, lens):
    tile, _ = tile_of(mode="depth")
    distance = np.linalg.norm(lens(0.0).pose[:3, 3])
    assert tile.depth[24, 32] == pytest.approx(distance - RADIUS, abs=2e-3)
    assert tile.depth[0, 0] == tile.opacity[0, 0] == 0


def test_a_part_of_a_picture_is_that_part(ball, tile_of):
    whole, look = tile_of()
    part = cut(look.camera(*SIZE), column=20, row=10, width=30, height=25)
    found = render_tile(ball, part, look)
    assert np.allclose(found.values, whole.values[10:35, 20:50], atol=1e-6)


@pytest.mark.parametrize("mode", ["color", "depth", "normals", "opacity", "samples"])
def test_every_mode_draws_the_ball_apart_from_what_is_behind(tile_of, mode):
    tile, look = tile_of(mode=mode, background=[0.0, 1.0, 0.0])
    scale = range_of(tile, look, None)
    assert (scale is not None) == (mode in ("depth", "samples"))
    picture = draw(tile, look, scale)
    assert picture.shape == (48, 64, 3)
    assert np.abs(picture[24, 32].astype(int) - picture[0, 0]).max() > 60
    if mode not in ("opacity", "samples"):
        assert picture[0, 0].tolist() == [0, 255, 0]


def test_normals_point_away_from_the_middle(tile_of):
    """World axes: the scene's x is the world's y here."""
    tile, _ = tile_of(mode="normals")
    assert tile.values[24, 32] @ [0, 1, 0] > 0.9


def test_near_depths_are_bright(tile_of):
    tile, look = tile_of(mode="depth", background=[0.0, 0.0, 0.0])
    picture = draw(tile, look, Range(1.4, 2.0)).astype(int).sum(-1)
    assert picture[24, 32] > picture[24, 44] > 0


def test_a_box_cuts_the_field(tile_of, lens):
    """Only the half of the ball with x < 0 is left: its flat side is seen."""
    tile, _ = tile_of(crop=[-1.0, -1.0, -1.0, 0.0, 1.0, 1.0])
    distance = np.linalg.norm(lens(0.0).pose[:3, 3])
    assert tile.depth[24, 32] == pytest.approx(distance, abs=0.02)
    empty, _ = tile_of(crop=[5.0, 5.0, 5.0, 6.0, 6.0, 6.0])
    assert empty.opacity.max() == 0


def test_rays_that_miss_the_box_are_not_asked(ball, tile_of):
    before = ball.method.asked
    tile_of(crop=[-0.1, -0.1, -0.1, 0.1, 0.1, 0.1])
    assert 0 < ball.method.asked - before < 64 * 48 / 10


def test_cropped_rays_begin_and_end_at_the_box():
    origins = torch.tensor([[-3.0, 0, 0], [0.1, 0, 0], [-3, 5, 0]])
    rays = Rays(
        origins,
        torch.tensor([[1.0, 0, 0]]).repeat(3, 1),
        torch.zeros(3),
        torch.full((3,), 9.0),
        torch.zeros(3, dtype=torch.long),
    )
    found, inside = cropped(rays, ((-1.0, -1.0, -1.0), (2.0, 1.0, 1.0)))
    assert inside.tolist() == [True, True, False]
    assert found.near.tolist() == pytest.approx([2, 0, 0])
    assert found.far.tolist() == pytest.approx([5, 1.9, 0])


def test_what_is_not_finite_is_drawn_as_nothing(ball, tile_of, monkeypatch):
    render = ball.method.render

    def broken(*args, **more):
        got = render(*args, **more)
        return got._replace(color=got.color * float("nan"), depth=got.depth + float("inf"))

    monkeypatch.setattr(ball.method, "render", broken)
    tile, look = tile_of()
    assert np.isfinite(tile.values).all()
    assert np.isfinite(tile.depth).all()
    assert draw(tile, look, None).max() == 0


def test_a_range_follows_slowly(tile_of):
    tile, look = tile_of(mode="depth")
    alone = range_of(tile, look, None)
    after = range_of(tile, look, Range(10.0, 20.0))
    assert alone.low < after.low < 10
    assert range_of(tile._replace(opacity=0 * tile.opacity), look, None) == Range(0.0, 1.0)
