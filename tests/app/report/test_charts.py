"""Charts: every point where it belongs, axes with round numbers, nothing where there is nothing."""

from __future__ import annotations

import re

import numpy as np
import pytest

from rayfield.app.report.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Series,
    bars,
    decades,
    lines,
    number,
    smooth,
    ticks,
)


def points(svg: str) -> np.ndarray:
    """The places of the last curve."""
    text = re.findall(r'points="([^"]*)"', svg)[-1]
    return np.array([pair.split(",") for pair in text.split()], dtype=float)


def test_points_lie_where_their_values_say():
    x, y = np.array([0.0, 5.0, 10.0]), np.array([1.0, 2.0, 3.0])
    placed = points(lines([Series("a", x, y)], x="s"))
    np.testing.assert_allclose(placed[:, 0], [LEFT, (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT])
    assert (np.diff(placed[:, 1]) < 0).all()  # upwards on the page
    assert placed[1, 1] == pytest.approx((placed[0, 1] + placed[2, 1]) / 2, abs=0.1)
    assert TOP < placed[2, 1] < placed[0, 1] < HEIGHT - BOTTOM


def test_a_logarithmic_axis_spaces_tenfolds_evenly_and_leaves_out_zeros():
    x, y = np.arange(5.0), np.array([1e-3, 1e-2, 0.0, 1e-1, 1.0])
    placed = points(lines([Series("a", x, y)], x="s", log=True))
    assert len(placed) == 4
    steps = np.diff(placed[:, 1])
    np.testing.assert_allclose(steps, steps[0], atol=0.15)


def test_a_noisy_curve_is_drawn_twice_and_long_ones_are_thinned():
    x = np.linspace(0, 1, 5000)
    svg = lines([Series("a", x, np.sin(x), noisy=True)], x="s")
    assert svg.count("<polyline") == 2
    assert "faint" in svg
    assert len(points(svg)) <= 300
    np.testing.assert_allclose(smooth(np.full(50, 3.0)), 3.0)


@pytest.mark.parametrize("y", [[], [np.nan, np.nan], [np.inf]])
def test_nothing_to_show_shows_nothing(y):
    values = np.array(y, dtype=float)
    assert lines([Series("a", np.arange(float(len(y))), values)], x="s") == ""
    assert bars(y, ["n"] * len(y), unit="dB") == ""


def test_one_point_and_equal_values_are_no_division_by_zero():
    for y in ([2.0], [2.0, 2.0, 2.0]):
        svg = lines([Series("a", np.arange(float(len(y))), np.array(y), dots=True)], x="s")
        assert "nan" not in svg
        assert svg.count("<circle") == len(y)


def test_names_are_escaped():
    svg = lines([Series("<b>", np.arange(2.0), np.arange(2.0), dots=True)], x="<i>")
    assert "<b>" not in svg
    assert "<i>" not in svg
    svg = bars([1.0, 2.0], ["<b>", "</title>"], unit="dB")
    assert svg.count("</title>") == 2


def test_bars_are_as_high_as_their_values_and_infinite_ones_reach_the_top():
    svg = bars([20.0, 25.0, 30.0, np.inf], list("abcd"), unit="dB", marked=(0,))
    heights = [float(h) for h in re.findall(r'height="([^"]*)"', svg)]
    assert heights == sorted(heights)
    assert heights[3] == heights[2]
    assert svg.count("bar mark") == 1
    assert "inf dB" in svg


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 7.3), (-3.0, 12345.0), (1e-3, 2e-3)])
def test_ticks_are_round_and_within(low, high):
    found = ticks(low, high)
    assert 2 <= len(found) <= 12
    assert low <= found[0] < found[-1] <= high
    steps = np.diff(found)
    np.testing.assert_allclose(steps, steps[0])
    assert float(f"{steps[0]:.0e}") == pytest.approx(steps[0])


@pytest.mark.parametrize(("low", "high"), [(0.02, 0.4), (1e-6, 3e2), (3.0, 4000.0), (1e-20, 1e20)])
def test_decades_are_few_and_within(low, high):
    found = decades(low, high)
    assert 2 <= len(found) <= 9
    assert all(low <= value <= high for value in found)


def test_numbers_are_read_easily():
    assert [number(v) for v in (0.0, 0.05, 12.0, 12_345.0, -2500.0)] == [
        "0",
        "0.05",
        "12",
        "12,345",
        "-2,500",
    ]
