"""What is said of a reconstruction."""

from __future__ import annotations

import json

import pytest

from rayfield.app.process import outcome as told
from rayfield.app.process.outcome import Failure, Outcome

NAMES = [f"{letter}.jpg" for letter in "abcdefgh"]
FEATURES = [900, 800, 700, 12, 650, 600, 700, 500]
COMPARED = frozenset((i, j) for i in range(8) for j in range(i + 1, 8))
VERIFIED = {(0, 1): 300, (1, 2): 200, (5, 6): 90, (2, 7): 24, (0, 7): 31}


def failed(models: list[set[int]]) -> dict[str, Failure]:
    found = told.failures(NAMES, FEATURES, verified=VERIFIED, compared=COMPARED, models=models)
    return {failure.name: failure for failure in found}


def make(registered: int, total: int, *found: Failure, models: tuple[int, ...] = ()) -> Outcome:
    lenses = ("one",)
    return Outcome(
        registered, total, found, models or (registered,), 99, 0.5, ("exhaustive",), lenses
    )


LOST = Failure("x.jpg", "unmatched", "none")


def test_every_picture_without_a_pose_has_its_reason():
    found = failed([{0, 1, 2}, {5, 6}])
    assert {name: f.kind for name, f in found.items()} == {
        "d.jpg": "features",
        "e.jpg": "unmatched",
        "f.jpg": "apart",
        "g.jpg": "apart",
        "h.jpg": "weak",
    }
    assert found["d.jpg"].reason == "only 12 features (blurred, dark, or without texture)"
    assert found["e.jpg"].reason == (
        "none of the 7 images it was compared with shows the same (650 features)"
    )
    assert found["f.jpg"].reason == "in a part of 2 images that shares too little with the largest"
    assert found["h.jpg"].reason == (
        "matches 2 of 7 images (best: a.jpg, 31 points), too little to place it"
    )


def test_without_any_model_all_pictures_fail():
    assert list(failed([])) == NAMES


def test_where_all_have_a_pose_none_failed():
    assert failed([set(range(8))]) == {}


def test_enough_is_enough():
    assert told.shortfall(make(8, 10, LOST, LOST), least=0.8, partial=False) is None


def test_too_few_say_how_many_why_and_what_helps():
    dark = Failure("y.jpg", "features", "only 3")
    what, fix = told.shortfall(make(7, 10, LOST, dark, LOST), least=0.8, partial=False)
    assert what == (
        "7 of 10 images found a pose (70 %, fewer than 80 %); "
        "no match with any other: 2, too few features: 1"
    )
    assert fix == (
        "take photos that overlap by two thirds with their neighbours, "
        "or keep what there is: --allow-partial"
    )


@pytest.mark.parametrize(("registered", "accepted"), [(7, True), (3, True), (2, False), (0, False)])
def test_a_part_is_accepted_if_allowed_but_nothing_is_not_a_part(registered, accepted):
    found = told.shortfall(
        make(registered, 10, *[LOST] * (10 - registered)), least=0.8, partial=True
    )
    assert (found is None) == accepted
    if found is not None:
        assert "at least 3 are needed" in found[0]
        assert "--allow-partial" not in found[1]


def test_an_outcome_survives_json():
    made = make(7, 10, LOST, models=(7, 2))
    assert told.from_values(json.loads(json.dumps(told.to_values(made)))) == made


def test_the_description_names_the_parts():
    lines = told.described(make(7, 10, LOST, models=(7, 2)))
    assert (
        lines[0] == "registered 7 of 10 images (70 %), 99 points, mean reprojection error 0.50 px"
    )
    assert lines[1] == "2 separate parts of 7, 2 images: the largest is kept"
    assert lines[2] == "lens: one"
