"""The study of NeRF against Scene Representation Networks."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from rayfield.data.synthetic import toy, write_scene
from rayfield.methods import nerf, srn
from rayfield.studies.nerf_vs_srn import PUBLISHED, Size, examine, judge

TINY = Size(seconds=2.0, side=20, views=2)


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        for method in (nerf, srn):
            small = replace(method.Config(), width=16, rays=64)
            patched.setitem(method.PRESETS, "laptop", small)
        yield examined(tmp_path_factory)


def examined(tmp_path_factory):
    folder = tmp_path_factory.mktemp("versus")
    write_scene(folder / "mine", toy(0), views={"train": 8, "test": 2}, size=24)
    told: list[float] = []
    found = examine(
        folder / "study", TINY, lambda done, what: told.append(done), data=folder / "mine"
    )
    assert (folder / "study" / "figure.png").stat().st_size > 10_000
    assert told == sorted(told)
    assert told[-1] <= 1
    return found, folder


def test_both_learn_from_the_same_photos_and_show_the_same_views(findings):
    numbers = findings[0].numbers
    demo, mine = numbers["scenes"]
    assert (demo["scene"], mine["scene"]) == ("demo", "mine")
    assert (demo["size"], mine["size"]) == ([20, 20], [24, 24])
    assert (demo["photos"], mine["photos"]) == (72, 8)
    for row in (demo, mine):
        names = [[view["name"] for view in row[method]["views"]] for method in ("NeRF", "SRN")]
        assert names[0] == names[1]
        assert len(names[0]) == 2


def test_the_seconds_are_shared_equally(findings):
    assert findings[0].numbers["seconds_each"] == TINY.seconds / 4


def test_a_study_goes_on_with_what_its_folder_holds(findings):
    """The same numbers come back, without any training."""
    numbers, folder = findings[0].numbers, findings[1]
    again = examine(folder / "study", TINY, lambda done, what: None, data=folder / "mine")
    assert again.numbers == numbers


def test_the_verdict_needs_both_measures_on_every_scene(findings):
    numbers = copy.deepcopy(findings[0].numbers)
    for row in numbers["scenes"]:
        row["NeRF"] |= {"psnr": 25.0, "ssim": 0.9}
        row["SRN"] |= {"psnr": 20.0, "ssim": 0.8}
    assert judge(numbers).holds
    assert "demo: 25.00 dB and SSIM 0.900 against 20.00 and 0.800" in judge(numbers).found
    numbers["scenes"][1]["SRN"]["ssim"] = 0.95
    assert not judge(numbers).holds
    numbers["scenes"][1]["SRN"] |= {"psnr": 26.0, "ssim": 0.8}
    assert not judge(numbers).holds


def test_the_published_figures_are_the_papers_means():
    assert PUBLISHED == {"NeRF": (31.01, 0.947), "SRN": (22.26, 0.846)}
