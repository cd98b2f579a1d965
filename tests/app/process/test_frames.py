"""Choosing frames of a video by sharpness and motion."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from rayfield.app.process import frames


@pytest.fixture(scope="module")
def wall() -> np.ndarray:
    """A large picture with detail at many scales, in [0, 255]."""
    rng = np.random.default_rng(0)
    layers = [
        ndimage.zoom(rng.standard_normal((480 // s, 1200 // s)), s, order=1) * s**0.5
        for s in (4, 8, 16, 40)
    ]
    picture = sum(layers)
    return 127 + 40 * (picture - picture.mean()) / picture.std()


def window(wall: np.ndarray, x: float) -> np.ndarray:
    """What a camera 320x240 sees that stands `x` pixels to the right."""
    return ndimage.shift(wall, (0, -x), order=1, mode="nearest")[100:340, :320]


def test_blur_lowers_sharpness(wall):
    values = [frames.sharpness(ndimage.gaussian_filter(wall, s)) for s in (0, 0.7, 1.5, 3)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 10 * values[-1]


@pytest.mark.parametrize("shift", [0.5, 1.0, 2.0, 4.0])
def test_the_place_is_the_distance_moved(wall, shift):
    odometer = frames.Odometer()
    places = [odometer.place(window(wall, shift * i)) for i in range(40)]
    true = 39 * shift / np.hypot(240, 320)
    assert places[-1] == pytest.approx(true, rel=0.25)
    assert (np.diff(places) > -0.002).all()


def test_a_camera_at_rest_stays_in_place_whatever_its_noise_and_exposure(wall):
    rng = np.random.default_rng(1)
    odometer = frames.Odometer()
    seen = [window(wall, 0) + rng.normal(0, 4, (240, 320)) + 10 * np.sin(i) for i in range(50)]
    assert max(odometer.place(grey) for grey in seen) < frames.AT_REST


def test_even_motion_and_sharpness_give_evenly_spaced_frames():
    kept = frames.choose(np.ones(600), np.linspace(0, 4, 600), most=150)
    assert len(kept) == 100  # steps of STEP
    assert set(np.diff(kept)) <= {5, 6, 7}


def test_a_pause_gives_few_frames_and_a_quick_pan_many():
    places = np.concatenate([np.linspace(0, 1, 100), np.ones(500), np.linspace(1, 3, 100)])
    kept = np.array(frames.choose(np.ones(700), places, most=150))
    assert ((kept >= 100) & (kept < 600)).sum() <= 2
    assert (kept >= 600).sum() == pytest.approx(2 * (kept < 100).sum(), abs=3)


def test_the_sharpest_frame_of_a_stretch_is_kept():
    sharp = np.ones(600)
    sharp[3::6] = 2.0
    kept = np.array(frames.choose(sharp, np.linspace(0, 4, 600), most=150))
    assert (kept % 6 == 3).mean() > 0.95


def test_no_more_frames_than_asked_for():
    assert len(frames.choose(np.ones(2000), np.linspace(0, 60, 2000), most=70)) == 70


def test_a_short_video_of_large_steps_is_kept_whole():
    places = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.2, 50))
    assert frames.choose(np.ones(50), places, most=150) == list(range(50))


def test_large_uneven_steps_lose_hardly_a_frame():
    places = np.cumsum(np.random.default_rng(0).uniform(0.04, 0.2, 100))
    assert len(frames.choose(np.ones(100), places, most=150)) > 85


def test_a_video_that_never_moves_gives_frames_spread_over_time():
    kept = frames.choose(np.ones(500), np.zeros(500), most=150)
    assert len(kept) == frames.FEWEST
    assert set(np.diff(kept)) <= {9, 10, 11}


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_frames(count):
    assert frames.choose(np.ones(count), np.zeros(count), most=150) == list(range(count))


def test_a_shaken_frame_is_left_out_but_never_two_in_a_row():
    sharp = np.full(40, 10.0)
    sharp[[7, 20, 21, 22]] = 1.0
    kept = frames.without_blurred(list(range(40)), sharp)
    assert sorted(set(range(40)) - set(kept)) == [7, 20, 22]
