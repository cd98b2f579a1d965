"""The study of how many photos are needed, and from where."""

from __future__ import annotations

import copy

import pytest

from rayfield.studies import capture_limits
from rayfield.studies.capture_limits import Size, cases, examine, judge


def test_cases_grow_to_all_photos_and_then_leave_out_directions(scene):
    found = cases(scene, (6, 12, 500))
    assert [case.name for case in found] == [
        "spread-6", "spread-12", "spread-13", "spread-72", "sector-180", "sector-60",
    ]  # fmt: skip
    assert [len(case.photos) for case in found] == [6, 12, 13, 72, 37, 13]
    sector, half = ({f.name for f in case.photos} for case in (found[5], found[4]))
    assert sector <= half


def test_pictures_contrast_a_sector_with_as_many_photos_all_around(scene):
    tried = cases(scene, (6, 12, 24, 48))
    shown = [case.name for case in capture_limits.contrasted(tried)]
    assert shown == ["spread-13", "spread-72", "sector-180", "sector-60"]
    assert len(capture_limits.contrasted(tried[:1])) == 1


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("capture")
    size = Size(steps=30, counts=(6,), downscale=8, every=11)
    found = examine(folder, size, lambda done, what: None)
    assert (folder / "figure.png").stat().st_size > 10_000
    return found


def test_every_view_compared_was_not_learned_from(findings):
    for row in findings.numbers["cases"]:
        assert len(row["views"]) == -(-(88 - row["photos"]) // 11)
        assert all(view["degrees"] > 0.5 for view in row["views"])


def test_the_verdict_needs_more_photos_to_help_and_unseen_sides_to_lose(findings):
    numbers = copy.deepcopy(findings.numbers)
    few, _, everything, _, sector = numbers["cases"]
    few["test_psnr"], everything["test_psnr"] = 0.0, 99.0
    sector["near_psnr"], sector["far_psnr"] = 24.0, 14.0
    assert judge(numbers).holds
    assert "24.0 dB within 15 degrees" in judge(numbers).found
    sector["far_psnr"] = 22.0
    assert not judge(numbers).holds
    sector["far_psnr"], few["test_psnr"] = 14.0, 99.5
    assert not judge(numbers).holds


def test_means_are_of_the_views_they_name():
    case = capture_limits.Case("spread-2", "2", ())
    views = [
        capture_limits.View("a", "test", 5.0, 30.0),
        capture_limits.View("b", "val", 10.0, 20.0),
        capture_limits.View("c", "test", 90.0, 10.0),
    ]
    (row,) = capture_limits.summarise([case], {"spread-2": views})["cases"]
    assert (row["test_psnr"], row["near_psnr"], row["far_psnr"]) == (20.0, 25.0, 10.0)
