"""The study of unseen shapes, and the chairs made for it."""

from __future__ import annotations

import copy

import pytest
import torch

from rayfield.data import shape_batches
from rayfield.data.toy_chairs import toy_chairs
from rayfield.studies.occupancy_class import Size, examine, judge

TINY = Size(
    points_seconds=1.5, voxel_seconds=1.5, volume=2, coarse=8, tested=2048, toys=9, side=40,
    detail=16,
)  # fmt: skip


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chairs")
    told: list[float] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(shape_batches, "MOST_POOL", 1 << 12)
        found = examine(folder, TINY, lambda done, what: told.append(done))
        assert (folder / "figure.png").stat().st_size > 5_000
        assert told == sorted(told)
        again = examine(folder, TINY, lambda done, what: None)
    return found, again


def test_one_of_nine_is_held_out_and_measured(findings):
    numbers = findings[0].numbers
    assert (numbers["shapes"], numbers["held_out"]) == (8, 1)
    for kind in ("points", "voxels", "coarse"):
        assert numbers["iou"][kind] == numbers["iou_worst"][kind] == numbers["each"][kind][0]
    assert 0 < numbers["iou"]["coarse"] < 1


def test_a_study_goes_on_with_what_its_folder_holds(findings):
    found, again = findings
    assert again.numbers == found.numbers


@pytest.mark.parametrize(
    ("points", "voxels", "holds"), [(0.7, 0.6, True), (0.4, 0.6, False), (0.7, 0.2, False)]
)
def test_the_verdict_needs_completion_and_refinement(findings, points, voxels, holds):
    numbers = copy.deepcopy(findings[0].numbers)
    numbers["iou"] = {"points": points, "voxels": voxels, "coarse": 0.5}
    verdict = judge(numbers)
    assert verdict.holds == holds
    assert f"{points:.3f} from points" in verdict.found


def test_toy_chairs_are_alike_left_and_right_and_differ(generator):
    grids = toy_chairs(12, generator=generator)
    assert torch.equal(grids, grids.flip(1))
    assert len({grid.numpy().tobytes() for grid in grids}) == 12
    assert grids.any(dim=(1, 2)).all(dim=1).all()
    assert (
        (grids.float().mean(dim=(1, 2, 3)) > 0.02) & (grids.float().mean(dim=(1, 2, 3)) < 0.3)
    ).all()
