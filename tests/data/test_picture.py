"""Pictures: reading, splitting, sampling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rayfield.core.check import DataError, UsageError
from rayfield.data import picture as module
from rayfield.data.picture import PictureSampler, PictureTraits, read_picture


def save(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def ramp(tmp_path) -> Path:
    """A 6 x 8 grey picture whose value is its flat index."""
    return save(tmp_path / "ramp.png", np.arange(48, dtype=np.uint8).reshape(6, 8))


def test_a_grey_picture_has_one_channel_and_its_exact_values(ramp):
    picture = read_picture(ramp)
    assert picture.traits == PictureTraits(6, 8, 1)
    expected = torch.arange(48).reshape(6, 8, 1) / 255
    torch.testing.assert_close(picture.values, expected)
    assert picture.keep.all()


def test_transparent_pixels_are_put_on_white_and_said(tmp_path):
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0] = [200, 100, 0, 255]
    pixels[1, 1] = [255, 0, 0, 51]
    picture = read_picture(save(tmp_path / "a.png", pixels))
    torch.testing.assert_close(picture.values[0, 0], torch.tensor([200, 100, 0]) / 255)
    torch.testing.assert_close(picture.values[0, 1], torch.ones(3))
    torch.testing.assert_close(picture.values[1, 1], torch.tensor([1.0, 0.8, 0.8]))
    assert "75% of the pixels are transparent" in picture.notes[0]


def test_downscale_averages_blocks(ramp):
    found = read_picture(ramp, downscale=2)
    assert found.traits == PictureTraits(3, 4, 1)
    assert float(found.values[0, 0, 0]) == pytest.approx((0 + 1 + 8 + 9) / 4 / 255, abs=0.51 / 255)


def test_train_and_test_pixels_are_even_even_and_odd_odd(ramp):
    picture = read_picture(ramp)
    assert picture.indices("train").tolist() == [0, 2, 4, 6, 16, 18, 20, 22, 32, 34, 36, 38]
    assert picture.indices("test").tolist() == [9, 11, 13, 15, 25, 27, 29, 31, 41, 43, 45, 47]
    assert picture.indices("all").tolist() == list(range(48))


def test_even_samples_of_a_signal_are_trained_on_and_odd_ones_tested(tmp_path):
    np.save(tmp_path / "s.npy", np.linspace(0, 1, 7))
    picture = read_picture(tmp_path / "s.npy")
    assert picture.traits == PictureTraits(1, 7, 1)
    assert picture.traits.sizes == (7,)
    assert picture.indices("train").tolist() == [0, 2, 4, 6]
    assert picture.indices("test").tolist() == [1, 3, 5]
    points, values, _ = PictureSampler(picture).sample(7, generator=torch.Generator())
    torch.testing.assert_close(points[:, 0], (torch.arange(7) + 0.5) / 7)
    torch.testing.assert_close(values[:, 0], torch.linspace(0, 1, 7))


def test_asking_for_all_samples_gives_each_once_in_order(ramp, generator):
    picture = read_picture(ramp)
    for n in (48, 1000):
        batch = PictureSampler(picture).sample(n, generator=generator)
        assert torch.equal(batch.values, picture.values.reshape(-1, 1))
    # rows first, and both coordinates divided by the longer side
    torch.testing.assert_close(batch.points[9], torch.tensor([1.5 / 8, 1.5 / 8]))
    torch.testing.assert_close(batch.points[47], torch.tensor([5.5 / 8, 7.5 / 8]))


def test_a_batch_takes_one_sample_from_each_equal_stretch(ramp, generator):
    sampler = PictureSampler(read_picture(ramp))
    for _ in range(20):
        batch = sampler.sample(12, generator=generator)
        index = (batch.values[:, 0] * 255).round().long()
        assert torch.equal(index // 4, torch.arange(12))


def test_every_sample_is_drawn_equally_often(ramp, generator):
    """Chi-square over 48 pixels, 5 of them at a time, a count that divides nothing."""
    sampler = PictureSampler(read_picture(ramp))
    counts = torch.zeros(48)
    for _ in range(4800):
        batch = sampler.sample(5, generator=generator)
        counts[(batch.values[:, 0] * 255).round().long()] += 1
    chi_square = float(((counts - 500) ** 2 / 500).sum())
    assert chi_square < 90  # 48 pixels: 99.99 % quantile of the free ones


def test_points_and_values_belong_together(ramp, generator):
    batch = PictureSampler(read_picture(ramp)).sample(17, generator=generator)
    row, column = (batch.points * 8 - 0.5).round().unbind(-1)
    torch.testing.assert_close(batch.values[:, 0], (row * 8 + column) / 255)


def test_held_out_pixels_are_never_drawn(ramp, generator):
    sampler = PictureSampler(read_picture(ramp), held_out=True)
    seen = torch.cat([sampler.sample(5, generator=generator).values for _ in range(50)])
    index = (seen[:, 0] * 255).round().long()
    assert ((index // 8) % 2 == 0).all()
    assert ((index % 8) % 2 == 0).all()
    assert len(sampler.sample(100, generator=generator).points) == 12


def test_masked_pixels_are_marked_unknown(ramp, tmp_path, generator):
    mask = np.full((6, 8), 255, np.uint8)
    mask[2:4] = 0
    picture = read_picture(ramp, mask=save(tmp_path / "mask.png", mask))
    assert torch.equal(picture.keep, torch.from_numpy(mask > 0))
    assert "66.7% of the pixels are known" in picture.notes[0]
    batch = PictureSampler(picture).sample(48, generator=generator)
    assert torch.equal(batch.keep.reshape(6, 8), picture.keep)


def test_a_mask_must_fit_and_keep_something(ramp, tmp_path):
    small = save(tmp_path / "small.png", np.full((3, 8), 255, np.uint8))
    with pytest.raises(DataError, match="8x3 mask for a 8x6 picture"):
        read_picture(ramp, mask=small)
    black = save(tmp_path / "black.png", np.zeros((6, 8), np.uint8))
    with pytest.raises(DataError, match="black everywhere"):
        read_picture(ramp, mask=black)


def test_the_fingerprint_tells_values_and_masks_apart(ramp, tmp_path):
    mask = np.full((6, 8), 255, np.uint8)
    mask[0, 0] = 0
    masked = read_picture(ramp, mask=save(tmp_path / "mask.png", mask))
    other = np.arange(48, dtype=np.uint8).reshape(6, 8)
    other[5, 7] = 0
    changed = read_picture(save(tmp_path / "other.png", other))
    same = read_picture(save(tmp_path / "same.png", np.arange(48, dtype=np.uint8).reshape(6, 8)))
    prints = [p.fingerprint for p in (read_picture(ramp), masked, changed, same)]
    assert prints[0] == prints[3]
    assert len(set(prints)) == 3


def test_samples_of_the_largest_batch():
    assert PictureTraits(6, 8, 1).batch(held_out=False) == 48
    assert PictureTraits(5, 7, 3).batch(held_out=True) == 3 * 4
    assert PictureTraits(1, 7, 1).batch(held_out=True) == 4


def test_pictures_beyond_the_limit_are_refused_unless_reduced(ramp, monkeypatch):
    monkeypatch.setattr(module, "MOST_PIXELS", 20)
    with pytest.raises(DataError, match="has 8x6 pixels; 20 are the limit; reduce it"):
        read_picture(ramp)
    assert read_picture(ramp, downscale=2).traits == PictureTraits(3, 4, 1)


def test_downscale_below_one_is_refused(ramp):
    with pytest.raises(UsageError, match="downscale"):
        read_picture(ramp, downscale=0)


def test_real_pictures_are_read(data_dir):
    camera = read_picture(data_dir / "images2d" / "camera.png")
    assert camera.traits == PictureTraits(512, 512, 1)
    assert read_picture(data_dir / "images2d" / "kodim08.png").traits.channels == 3
