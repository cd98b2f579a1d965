"""The universality study: exact networks, the trap, going on, the verdict."""

from __future__ import annotations

import copy

import pytest
import torch

from rayfield.geometry.mesh import euler_number
from rayfield.studies import universality as study
from rayfield.studies.universality import Size, examine, ring, touching

SMALL = Size(2000, 40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("universality")


@pytest.fixture(scope="module")
def findings(folder):
    return examine(folder, SMALL, lambda done, what: None)


def test_the_claim_holds_at_a_small_size(findings, folder):
    assert findings.verdict.holds, findings.verdict.found
    assert [shape["faces"] for shape in findings.numbers["shapes"]] == [12, 20, 24, 40]
    assert all(shape["surface_error"] < 1e-14 for shape in findings.numbers["shapes"])
    assert (folder / "figure.png").stat().st_size > 50_000


def test_what_was_computed_is_not_computed_again(findings, folder, monkeypatch):
    monkeypatch.setattr(study, "construct", None)
    again = examine(folder, SMALL, lambda done, what: None)
    assert again == findings


def test_the_trap_is_a_sheet_inside(findings):
    assert findings.numbers["trap"] == 0.0
    points = torch.tensor([[0.0, -0.4, 0.1], [1e-3, -0.4, 0.1]], dtype=torch.float64)
    with torch.no_grad():
        on, beside = touching()(points).tolist()
    assert on == 0
    assert beside < 0


def test_the_ring_has_a_hole():
    assert euler_number(ring(60)) == 0


@pytest.mark.parametrize(
    ("key", "value"), [("surface_error", 1e-6), ("sign_errors", 1), ("far_errors", 2)]
)
def test_each_part_of_the_claim_can_fail(findings, key, value):
    numbers = copy.deepcopy(findings.numbers)
    numbers["shapes"][2][key] = value
    assert not study.judge(numbers).holds
