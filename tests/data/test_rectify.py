"""Lenses undone: the pinhole within a picture, and what it shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rayfield.core.types import Camera
from rayfield.data.rectify import (
    centred,
    kept_share,
    one_for_all,
    pinhole_within,
    resampled,
    same_lens,
)
from rayfield.math.rays import camera_directions, pixel_grid, project

PLAIN = Camera(40, 30, 50.0, 50.0, 20.0, 15.0, np.eye(4))
LENSES = {
    "barrel": replace(PLAIN, distortion=(-0.2, 0.03)),
    "pincushion": replace(PLAIN, distortion=(0.2, 0.05, 0.002, -0.001)),
    "off centre": replace(PLAIN, distortion=(-0.1,), cx=18.0, cy=16.5, fy=52.0),
    "fisheye": replace(PLAIN, lens="fisheye", fx=20.0, fy=20.0, distortion=(0.02, 0.001)),
    "half circle": replace(PLAIN, lens="fisheye", fx=11.0, fy=11.0),
}


@pytest.mark.parametrize("middle", [False, True])
@pytest.mark.parametrize("name", LENSES)
def test_all_that_the_pinhole_shows_is_in_the_picture(name, middle):
    camera = LENSES[name]
    pinhole = pinhole_within(camera, middle=middle)
    assert pinhole.pinhole
    assert np.array_equal(pinhole.pose, camera.pose)
    if middle:
        assert centred(pinhole)
    else:
        assert (pinhole.width, pinhole.height) == (camera.width, camera.height)
    pixels, depth = project(
        camera, camera_directions(pinhole, pixel_grid(pinhole.width, pinhole.height))
    )
    assert (depth > 0).all()
    assert (pixels >= 0).all()
    assert (pixels <= torch.tensor([camera.width, camera.height])).all()


@pytest.mark.parametrize("name", ["barrel", "pincushion", "off centre"])
def test_no_wider_pinhole_would_do(name):
    camera = LENSES[name]
    pinhole = pinhole_within(camera)
    wider = replace(pinhole, fx=0.999 * pinhole.fx, fy=0.999 * pinhole.fy)
    edge = torch.linspace(0, 1, 200, dtype=torch.float64)[:, None]
    size = torch.tensor([wider.width, wider.height], dtype=torch.float64)
    border = torch.cat(
        [
            edge * size * torch.tensor(side) + size * torch.tensor(start)
            for side, start in (
                ((1, 0), (0, 0)),
                ((1, 0), (0, 1)),
                ((0, 1), (0, 0)),
                ((0, 1), (1, 0)),
            )
        ]
    )
    pixels, _ = project(camera, camera_directions(wider, border))
    assert ((pixels < 0) | (pixels > torch.tensor([camera.width, camera.height]))).any()


def test_a_fisheye_keeps_the_scale_of_its_middle():
    assert pinhole_within(LENSES["fisheye"]).fx == 20.0


def test_a_pinhole_off_its_middle_is_cropped_and_not_scaled():
    camera = replace(PLAIN, cx=18.5, cy=16.0)
    pinhole = pinhole_within(camera, middle=True)
    assert (pinhole.width, pinhole.height, pinhole.fx) == (37, 28, 50.0)
    picture = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    assert np.array_equal(resampled(picture, camera, pinhole), picture[2:30, 0:37])


@pytest.mark.parametrize("change", [{"cx": -1.0}, {"cy": 30.5}])
def test_an_axis_outside_the_picture_has_no_centred_pinhole(change):
    with pytest.raises(ValueError, match="meets the picture outside"):
        pinhole_within(replace(PLAIN, **change), middle=True)


def test_a_lens_that_folds_near_the_middle_has_no_pinhole():
    with pytest.raises(ValueError, match="folds too near"):
        pinhole_within(replace(PLAIN, distortion=(-900.0,)))


def test_one_view_for_all_is_within_each():
    cameras = [PLAIN, replace(PLAIN, width=36, cx=18.0, fx=60.0, fy=60.0)]
    one = one_for_all(cameras)
    assert centred(one)
    assert (one.width, one.height, one.fx) == (36, 30, 60.0)
    for camera in cameras:
        directions = camera_directions(one, torch.tensor([[0.0, 0.0], [36.0, 30.0]]))
        pixels, _ = project(camera, directions)
        assert (pixels >= 0).all()
        assert (pixels <= torch.tensor([camera.width, camera.height])).all()


def test_the_kept_share_is_that_of_the_pixels():
    assert kept_share(PLAIN, PLAIN) == 1.0
    half = replace(PLAIN, fx=100.0, fy=100.0)
    assert kept_share(PLAIN, half) == pytest.approx(0.25, abs=0.02)
    assert kept_share(LENSES["half circle"], PLAIN) < 0.3  # much of it is behind


def test_lenses_are_the_same_if_no_pixel_moves():
    assert same_lens(PLAIN, replace(PLAIN, pose=2 * np.eye(4), distortion=(0.0, 0.0)))
    assert same_lens(PLAIN, replace(PLAIN, cx=20.0 + 1e-9))
    for change in ({"cx": 20.001}, {"fy": 50.001}, {"width": 41}, {"distortion": (1e-9,)}):
        assert not same_lens(PLAIN, replace(PLAIN, **change))


def test_transparent_colours_do_not_bleed_into_the_subject():
    picture = np.zeros((30, 40, 4), np.uint8)
    picture[..., :3] = (0, 255, 0)
    picture[8:22, 10:30] = (200, 100, 50, 255)
    camera = LENSES["barrel"]
    shown = resampled(picture, camera, pinhole_within(camera))
    solid = shown[..., 3] > 40
    assert (np.abs(shown[solid][:, :3].astype(int) - (200, 100, 50)) <= 3).all()
    assert 0.2 < solid.mean() < 0.4
