"""The study of one function for a class of scenes."""

from __future__ import annotations

import copy

import pytest

from rayfield.studies.across_scenes import Size, examine, judge

TINY = Size(steps=12, width=16, rays=128, fit_steps=3, toys=7, photos=8, side=20)


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    told: list[float] = []
    found = examine(folder, TINY, lambda done, what: told.append(done))
    assert (folder / "figure.png").stat().st_size > 10_000
    assert told == sorted(told)
    return found, folder


def test_every_sixth_scene_is_new(findings):
    numbers = findings[0].numbers
    assert (numbers["scenes"], numbers["photos"], numbers["new_scenes"]) == (6, 48, 1)
    assert numbers["views"] == 3
    assert len(numbers["new_psnr"]) == len(numbers["seen"]) == 3


def test_a_study_goes_on_with_what_its_folder_holds(findings):
    found, folder = findings
    again = examine(folder, TINY, lambda done, what: None)
    assert again.numbers == found.numbers


@pytest.mark.parametrize(
    ("values", "holds"),
    [([15.0, 20.0, 21.0], True), ([15.0, 14.0, 21.0], False), ([15.0, 20.0, 19.0], False)],
)
def test_the_verdict_needs_every_photo_to_help(findings, values, holds):
    numbers = copy.deepcopy(findings[0].numbers)
    numbers["new_psnr"] = values
    assert judge(numbers).holds == holds
    assert f"{values[1]:.2f} with a code from one photo" in judge(numbers).found
