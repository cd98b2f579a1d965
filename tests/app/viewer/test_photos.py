"""Photos as the page shows them."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rayfield.app.viewer.photos import Photos, straight, straightened
from rayfield.core.types import Camera
from rayfield.data.scene import Frame
from rayfield.math.rays import camera_directions, pixel_grid

LENS = Camera(240, 180, 150.0, 150.0, 118.0, 92.0, np.eye(4))


def tiled(camera: Camera) -> np.ndarray:
    """What a lens shows of a chessboard of squares 0.2 wide in the plane z = 1."""
    directions = camera_directions(camera, pixel_grid(camera.width, camera.height)).numpy()
    plane = directions[:, :2] / directions[:, 2:]
    dark = np.floor(plane / 0.2).sum(axis=1) % 2 == 0
    grey = np.where(dark, 40, 220).astype(np.uint8).reshape(camera.height, camera.width)
    return np.repeat(grey[..., None], 3, axis=-1)


@pytest.mark.parametrize(
    "lens",
    [{"distortion": (-0.25, 0.06, 0.002, -0.001)}, {"lens": "fisheye", "distortion": (0.05,)}],
)
def test_a_photo_is_shown_as_a_pinhole_sees_it(lens):
    camera = replace(LENS, **lens)
    found = straightened(tiled(camera), camera, 240)
    wanted = tiled(straight(camera))
    assert found.shape == wanted.shape
    inside = np.s_[12:-12, 12:-12]
    wrong = np.abs(found[inside].astype(int) - wanted[inside]) > 90
    assert wrong.mean() < 0.04  # the seams
    assert (np.abs(tiled(camera)[inside].astype(int) - wanted[inside]) > 90).mean() > 0.1


def test_what_the_lens_did_not_see_is_transparent():
    camera = replace(LENS, distortion=(0.3,))
    photo = np.full((180, 240, 4), 255, np.uint8)
    found = straightened(photo, camera, 120)
    assert found.shape == (90, 120, 4)
    assert found[0, 0, 3] == 0
    assert found[45, 60, 3] == 255


def test_small_photos_are_averages():
    photo = np.zeros((180, 240, 3), np.uint8)
    photo[:, ::2] = 200
    found = straightened(photo, LENS, 60)
    assert found.shape == (45, 60, 3)
    assert np.abs(found.astype(int) - 100).max() <= 1


def test_the_photos_of_a_run_are_found_by_their_cameras(ball, monkeypatch):
    asked = []

    frame = Frame(ball.cameras[2].name, LENS, Path("photo.png"), "train")

    class Scene:
        frames = (frame,)

    where = "rayfield.app.viewer.photos"
    monkeypatch.setattr(f"{where}.scene_of", lambda run: asked.append(run) or Scene())
    monkeypatch.setattr(f"{where}.decode", lambda frame: tiled(LENS))
    photos = Photos(ball.run, ball.cameras)
    with Image.open(io.BytesIO(photos.encoded(2, 64))) as picture:
        assert picture.format == "WEBP"
        assert picture.size == (64, 48)
    assert photos.encoded(1, 64) is None  # a camera whose photo is gone
    assert photos.encoded(-1, 64) is photos.encoded(99, 64) is None
    assert len(asked) == 1  # the data is read once


def test_a_run_whose_data_is_gone_has_no_photos(ball):
    photos = Photos(ball.run, ball.cameras)
    assert not photos.known()
    assert photos.encoded(0, 64) is None
