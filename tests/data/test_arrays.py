"""Arrays as signals and pictures."""

from __future__ import annotations

import numpy as np
import pytest

from rayfield.data.arrays import read_samples


def written(folder, array):
    np.save(folder / "a.npy", array)
    return folder / "a.npy"


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((9,), (1, 9, 1)),
        ((9, 2), (1, 9, 2)),
        ((9, 4), (1, 9, 4)),
        ((9, 5), (9, 5, 1)),
        ((6, 8, 1), (6, 8, 1)),
        ((6, 8, 3), (6, 8, 3)),
    ],
)
def test_shapes_of_signals_and_pictures(tmp_path, shape, expected):
    values, _, _, _ = read_samples(written(tmp_path, np.random.default_rng(0).random(shape)), 1)
    assert values.shape == expected
    assert values.dtype == np.float32


def test_values_within_zero_and_one_are_taken_as_they_are(tmp_path):
    array = np.array([0.2, 0.9, 0.4])
    values, low, high, notes = read_samples(written(tmp_path, array), 1)
    np.testing.assert_allclose(values[0, :, 0], array, rtol=1e-6)
    assert (low, high, notes) == (0.0, 1.0, [])


def test_other_values_span_zero_to_one_and_can_be_had_back(tmp_path):
    array = np.array([-3.0, 1.0, 5.0, 2.0])
    values, low, high, notes = read_samples(written(tmp_path, array), 1)
    assert values.min() == 0
    assert values.max() == 1
    np.testing.assert_allclose(low + values[0, :, 0] * (high - low), array, rtol=1e-6)
    assert "from -3 to 5" in notes[0]


@pytest.mark.parametrize(("kind", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_unsigned_integers_are_divided_by_their_largest(tmp_path, kind, top):
    values, low, high, notes = read_samples(written(tmp_path, np.array([0, 7, top], kind)), 1)
    np.testing.assert_allclose(values[0, :, 0], [0, 7 / top, 1], rtol=1e-6)
    assert (low, high, notes) == (0.0, top, [])


def test_constant_signals_stay_finite(tmp_path):
    values, low, high, _ = read_samples(written(tmp_path, np.full(5, 40.0)), 1)
    assert np.isfinite(values).all()
    np.testing.assert_allclose(low + values * (high - low), 40.0)


def test_averaging_takes_means_of_blocks(tmp_path):
    signal, _, _, _ = read_samples(written(tmp_path, np.arange(7) / 10), 2)
    np.testing.assert_allclose(signal[0, :, 0], [0.05, 0.25, 0.45], rtol=1e-6)
    picture, _, _, _ = read_samples(written(tmp_path, np.arange(35).reshape(5, 7) / 100), 2)
    assert picture.shape == (2, 3, 1)
    np.testing.assert_allclose(picture[0, 0, 0], (0 + 1 + 7 + 8) / 400, rtol=1e-6)


def test_the_only_array_of_an_archive_is_read(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", anything=np.linspace(0, 1, 4))
    values, _, _, _ = read_samples(tmp_path / "a.npz", 1)
    np.testing.assert_allclose(values[0, :, 0], np.linspace(0, 1, 4), rtol=1e-6)
