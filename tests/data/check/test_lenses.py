"""Intrinsics that cannot be those of the pictures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rayfield.data.check.lenses import check_lenses, check_sizes


def test_a_usual_lens_is_fine(captured):
    assert check_lenses(captured()) == []
    assert check_lenses(captured(cx=44.0, cy=39.0)) == []


def test_intrinsics_of_the_unreduced_photo_are_told_with_the_factor(captured):
    found = check_lenses(captured(fx=400.0, fy=400.0, cx=192.0, cy=144.0))
    assert found[0].level == "error"
    assert "384x288" in found[0].what
    assert "0.25" in found[0].fix


@pytest.mark.parametrize(
    ("lens", "says"),
    [
        ({"fx": 3000.0, "fy": 3000.0}, "under 4 degrees"),
        ({"fx": 9.0, "fy": 9.0}, "over 130 degrees"),
        ({"fy": 150.0}, "oblong"),
        ({"cx": 90.0}, "principal point far"),
    ],
)
def test_odd_lenses_are_warnings(captured, lens, says):
    (found,) = check_lenses(captured(**lens))
    assert found.level == "warning"
    assert says in found.what


def test_a_focal_length_unlike_the_others_is_told(captured):
    capture = captured()
    odd = replace(capture.frames[3], camera=replace(capture.frames[3].camera, fx=200.0, fy=200.0))
    capture = replace(capture, frames=(*capture.frames[:3], odd, *capture.frames[4:]))
    (found,) = check_lenses(capture)
    assert found.where == ("3.png",)


def test_several_sizes_are_a_note(captured):
    capture = captured()
    assert check_sizes(capture) == []
    other = replace(capture.frames[0], camera=replace(capture.frames[0].camera, width=50))
    (found,) = check_sizes(replace(capture, frames=(other, *capture.frames[1:])))
    assert found.level == "note"
    assert "31 of 96x72, 1 of 50x72" in found.what
