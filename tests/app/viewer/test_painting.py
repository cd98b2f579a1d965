"""Pictures in the making."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from rayfield.app.viewer.messages import Still, parse
from rayfield.app.viewer.pace import Pace, fitted, levels
from rayfield.app.viewer.painting import Canvas, Frame, Painter, outwards
from rayfield.app.viewer.tiles import Range, render_tile
from rayfield.core.drawing import bytes_of

SLOW = 100.0  # rays a second


@pytest.fixture
def look(words):
    """A look at the ball, read from a message."""
    return lambda **more: parse(words(**more), np.eye(4))


@pytest.mark.parametrize(
    ("width", "height", "rays"), [(800, 600, 20_000), (37, 5, 64), (1, 1, 9999)]
)
def test_tiles_cover_every_pixel_once_the_middle_first(width, height, rays):
    covered = np.zeros((height, width), int)
    tiles = outwards(width, height, rays)
    for column, row, w, h in tiles:
        assert w > 0 < h
        covered[row : row + h, column : column + w] += 1
    assert (covered == 1).all()
    column, row, w, h = tiles[0]
    assert abs(column + w / 2 - width / 2) <= w
    assert abs(row + h / 2 - height / 2) <= h


def test_levels_grow_to_what_was_asked_for(look):
    sizes = levels(look(width=800, height=600), 19_200, SLOW)
    assert sizes[0] == (160, 120)
    assert sizes[-1] == (800, 600)
    pixels = [w * h for w, h in sizes]
    assert all(2 < b / a < 13 for a, b in pairwise(pixels))
    assert levels(look(width=800, height=600), 19_200, 2e5) == [(160, 120), (800, 600)]
    assert levels(look(width=30, height=20), 19_200, SLOW) == [(30, 20)]
    assert fitted(look(width=800, height=600), 1e9) == (800, 600)


def test_a_picture_in_tiles_is_the_picture_in_one(ball, look):
    wish, pace = look(), Pace({"color": 60_000.0})
    frames = [f for f in Painter(ball, pace).paint(wish, levels(wish, 1200, SLOW)) if f is not None]
    assert [f.done for f in frames[-2:]] == [False, True]
    whole = render_tile(ball, wish.camera(320, 240), wish)
    assert np.array_equal(frames[-1].picture, bytes_of(whole.values))
    assert frames[0].picture.shape[1] == 40


def test_a_frame_is_read_back(ball, look, opened):
    wish = look(mode="depth")
    frame = next(Painter(ball, Pace()).paint(wish, [(80, 60)]))
    about, body = opened(frame.encoded())
    assert about["size"] == [80, 60]
    assert about["number"] == 1
    assert about["pose"] == pytest.approx(wish.pose[:3].ravel().tolist())
    picture = np.asarray(Image.open(io.BytesIO(body[: about["jpeg"]])))
    assert np.abs(picture.astype(int) - frame.picture).mean() < 4
    width, height = about["depth"]
    depth = np.frombuffer(body[about["jpeg"] :], "<f2").reshape(height, width)
    assert np.allclose(depth, frame.depth, rtol=1e-3)
    assert depth.max() > 1 > depth.min() == 0
    assert about["scale"][0] < about["scale"][1]


def test_all_levels_of_a_look_have_one_scale(ball, look):
    wish = look(mode="depth")
    frames = [
        f for f in Painter(ball, Pace()).paint(wish, levels(wish, 1200, SLOW)) if f is not None
    ]
    assert len({f.scale for f in frames}) == 1
    assert len(frames) > 1


def test_a_long_picture_is_shown_before_it_is_done(ball, look, monkeypatch):
    monkeypatch.setattr("rayfield.app.viewer.painting.SHOWN_SECONDS", 0.0)
    wish = look()
    frames = [
        f for f in Painter(ball, Pace({"color": 3e4})).paint(wish, levels(wish, 1200, SLOW)) if f
    ]
    assert sum(f.picture.shape[1] == 320 for f in frames) > 1
    early = next(f for f in frames if f.picture.shape[1] == 320)
    assert not early.done
    assert (early.picture.reshape(-1, 3).max(0) > 100).all()  # enlarged where it is not done


def test_a_still_is_a_png_of_the_whole_picture(ball, look, opened):
    wish = look(width=90, height=70)
    parts = [p for p in Painter(ball, Pace()).still(Still(wish)) if p is not None]
    about, body = opened(parts[-1])
    assert about == {"kind": "still", "size": [90, 70], "mode": "color"}
    whole = render_tile(ball, wish.camera(90, 70), wish)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(body))), bytes_of(whole.values))


def test_pace_learns_how_quick_a_field_is():
    pace = Pace()
    pace.note("color", 20_000, 0.1)
    assert pace.rate("color") == pytest.approx(200_000)
    assert pace.rate("depth") == pace.rate("color")  # until it was measured
    pace.note("color", 20_000, 0.2)
    assert 100_000 < pace.rate("color") < 200_000
    assert pace.tile("color") == pytest.approx(pace.rate("color") * 0.05, abs=1)


@pytest.mark.parametrize(
    ("rate", "pixels"), [(1e9, 320 * 240), (300_000, 160 * 120), (100_000, 7000), (10, 40 * 30)]
)
def test_first_pictures_suit_the_field(rate, pixels):
    assert Pace({"color": float(rate)}).coarse("color") == pixels


def test_a_canvas_starts_as_the_one_before_enlarged():
    small = Canvas(4, 2)
    small.picture[:, 2:] = 200
    small.depth[:, 2:] = 3
    large = Canvas(8, 4, small)
    assert large.picture[2, 7, 0] == 200 > large.picture[2, 0, 0]
    assert large.depth[0].tolist() == [0, 0, 0, 0, 3, 3, 3, 3]


def test_depths_beyond_half_floats_are_limited(look, opened):
    canvas = Canvas(300, 2)
    canvas.depth[:] = 1e6
    frame = Frame(look(), canvas.picture, canvas.depths(), Range(0, 1), True, 0.0)
    assert frame.depth.shape == (2, 200)
    about, body = opened(frame.encoded())
    assert np.isfinite(np.frombuffer(body[about["jpeg"] :], "<f2")).all()
