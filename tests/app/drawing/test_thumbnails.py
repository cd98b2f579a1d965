"""Small pictures of values."""

from __future__ import annotations

import pytest
import torch

from rayfield.app.drawing.thumbnails import cut, limited, resized, rgb, thumbnail


@pytest.mark.parametrize(
    ("size", "expected"), [((512, 256), (256, 128)), ((100, 50), (100, 50)), ((1, 2000), (1, 256))]
)
def test_sizes_keep_their_shape_and_are_never_enlarged(size, expected):
    assert limited(*size) == expected


def test_shrinking_averages():
    values = torch.arange(16.0).reshape(4, 4, 1)
    expected = torch.tensor([[2.5, 4.5], [10.5, 12.5]])[..., None]
    torch.testing.assert_close(resized(values, (2, 2)), expected)
    assert resized(values, (4, 4)) is values


def test_greys_are_repeated_and_missing_channels_black():
    assert torch.equal(rgb(torch.full((2, 2, 1), 0.3)), torch.full((2, 2, 3), 0.3))
    two = rgb(torch.ones(2, 2, 2))
    assert two.shape == (2, 2, 3)
    assert not two[..., 2].any()
    assert rgb(torch.ones(2, 2, 4)).shape == (2, 2, 3)


def test_a_picture_is_shown_and_a_signal_is_plotted():
    assert thumbnail(torch.zeros(5, 7, 1), torch.zeros(5, 7, 1)).shape == (5, 7, 3)
    wave = torch.linspace(0, 1, 50)[None, :, None]
    plotted = thumbnail(wave, 1 - wave)
    assert plotted.shape[2] == 3
    assert plotted.min() < 200 < plotted.max()


def test_a_cut_shows_occupancy_and_the_true_outline():
    inside = torch.zeros(64, 64, dtype=torch.bool)
    inside[16:48, 16:48] = True
    picture = cut(inside.float(), inside)
    assert picture.shape == (256, 256, 3)
    orange = (picture == picture[4 * 16, 4 * 32]).all(axis=-1)
    assert 0.01 < orange.mean() < 0.06
    assert picture[128, 128].max() < picture[2, 2].min()
