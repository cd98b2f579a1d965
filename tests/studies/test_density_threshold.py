"""The study of density thresholds, at a size of a moment: measures, files, figures, verdict."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest

from rayfield.core.check import DataError
from rayfield.data.demo import demo_photos
from rayfield.methods import neus, unisurf, volsdf
from rayfield.studies import density_threshold as study
from rayfield.studies.density_threshold import THRESHOLDS, Size, examine
from rayfield.studies.masks_or_not import own_photos

SMALL = Size(seconds=0.3, resolution=24, samples=500, downscale=8, views=2)
TINY = {"entries": 1 << 10, "levels": 2, "finest": 32, "width": 16, "samples": 1 << 10,
        "occupancy": 16, "step": 1 / 16}  # fmt: skip


def quiet(done: float, what: str) -> None:
    """No report."""


@pytest.fixture(scope="module")
def small_surfaces():
    """Surface methods of a moment."""
    with pytest.MonkeyPatch.context() as patched:
        for method in (neus, volsdf, unisurf):
            tiny = replace(method.Config(), **TINY)
            patched.setattr(method, "Config", lambda tiny=tiny: tiny)
        patched.setattr(study, "WARM", 1)
        patched.setattr(study.figure, "PICTURE", 60)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("thresholds")


@pytest.fixture(scope="module")
def findings(folder, small_surfaces):
    found = examine(folder / "own", SMALL, quiet)
    assert (folder / "own" / "figure.png").stat().st_size > 10_000
    return found


def test_all_surfaces_and_thresholds_are_measured_against_the_true_mesh(findings):
    numbers = findings.numbers
    assert json.loads(json.dumps(numbers)) == numbers
    assert len(numbers["density"]) == len(THRESHOLDS) == len(numbers["thresholds"])
    assert set(numbers["psnr"]) == {"instant", "unisurf", "volsdf", "neus"}
    assert min(numbers["steps"].values()) >= 1
    for one in numbers["surfaces"].values():
        assert 0 < one["chamfer_l1_onet"] < 1
        assert 0 < one["chamfer_shown"] < 1
        assert one["components"] >= 1
        assert 0 < one["silhouette_iou"] <= 1


def test_what_was_trained_is_found_again(findings, folder, small_surfaces, monkeypatch):
    monkeypatch.setattr(study, "warm", lambda *_: pytest.fail("trained again"))
    monkeypatch.setattr(study.figure, "draw", lambda *_, **__: None)
    again = examine(folder / "own", SMALL, quiet)
    for key in ("steps", "surfaces"):
        assert again.numbers[key] == findings.numbers[key]


def test_of_other_photos_silhouettes_decide(folder, small_surfaces):
    found = examine(folder / "other", SMALL, quiet, data=demo_photos())
    assert found.numbers["measure"] == "silhouette_iou"
    assert all("chamfer_l1_onet" not in one for one in found.numbers["surfaces"].values())
    assert "silhouettes" in found.verdict.claim
    assert (folder / "other" / "figure.png").stat().st_size > 10_000


def test_photos_without_silhouettes_are_refused(folder):
    grey = own_photos(folder / "grey")  # their masks only leave pixels out
    with pytest.raises(DataError, match="shows no cut-out subject"):
        examine(folder / "x", SMALL, quiet, data=grey)


def score(**values):
    return {
        "chamfer_shown": 0.02,
        "chamfer_l1_onet": 0.03,
        "fscore@1%": 0.5,
        "components": 3,
        **values,
    }


def sweep(numbers):
    """Numbers of a sound result: the best threshold is 2 % off, surfaces 0.5 %."""
    numbers = copy.deepcopy(numbers)
    numbers["density"] = [score(chamfer_shown=0.02 + 0.01 * abs(i - 4)) for i in range(9)]
    numbers["surfaces"] = {
        name: score(chamfer_shown=0.005, chamfer_l1_onet=0.02, components=1)
        for name in study.SURFACES
    }
    return numbers


def test_the_claim_holds_and_names_the_best_threshold(findings):
    verdict = study.judge(sweep(findings.numbers))
    assert verdict.holds
    assert "the best threshold (25) is 2.00% of the diagonal off" in verdict.found
    assert "neus 0.50% (4.0 times nearer)" in verdict.found
    assert "whole surfaces: best threshold 3.00%, unisurf 2.00%" in verdict.found


@pytest.mark.parametrize("name", study.SURFACES)
@pytest.mark.parametrize("value", [score(chamfer_shown=0.011), None])
def test_each_surface_has_to_be_nearer(findings, name, value):
    numbers = sweep(findings.numbers)
    numbers["surfaces"][name] = value
    assert not study.judge(numbers).holds


def test_silhouettes_have_to_be_as_good(findings):
    numbers = sweep(findings.numbers) | {"measure": "silhouette_iou"}
    for i, one in enumerate(numbers["density"]):
        one["silhouette_iou"] = 0.9 - 0.1 * abs(i - 3)
    for one in numbers["surfaces"].values():
        one["silhouette_iou"] = 0.95
    assert study.best_threshold(numbers) == 3
    assert study.judge(numbers).holds
    numbers["surfaces"]["volsdf"]["silhouette_iou"] = 0.85
    assert not study.judge(numbers).holds


def test_without_any_surface_at_a_threshold_there_is_no_verdict_for_the_claim(findings):
    numbers = sweep(findings.numbers) | {"density": [None] * 9}
    assert not study.judge(numbers).holds
    assert "train for longer" in study.judge(numbers).found
