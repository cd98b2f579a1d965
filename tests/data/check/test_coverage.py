"""From where photos are missing."""

from __future__ import annotations

import numpy as np
import pytest

from rayfield.data.check.box import Subject
from rayfield.data.check.coverage import check_coverage, cover, sphere
from rayfield.data.synthetic import look_at_origin

SUBJECT = Subject(np.array([1.0, 2.0, 3.0]), 1.0, True, np.eye(3))


def round_subject(places) -> np.ndarray:
    poses = np.stack([look_at_origin(4 * place) for place in places])
    poses[:, :3, 3] += SUBJECT.centre
    return poses


def covered(captured, keep):
    return cover(captured(round_subject([p for p in sphere(200) if keep(p)])).frames, SUBJECT)


def test_a_subject_photographed_all_round_has_no_gaps(captured):
    found = covered(captured, lambda place: True)
    assert found.share == 1.0
    assert found.gaps == ()
    assert [f.level for f in check_coverage(found)] == ["note"]


def test_nothing_from_below_is_a_note_with_its_share(captured):
    found = covered(captured, lambda place: place[2] > 0)
    (gap,) = found.gaps
    assert gap.name == "from below"
    assert gap.share == pytest.approx(0.27, abs=0.04)
    assert gap.farthest == pytest.approx(90, abs=6)
    assert gap.centre[2] < -0.99
    told = check_coverage(found)[0]
    assert told.level == "note"
    assert "views from here will be guesses" in told.what


def test_nothing_from_above_and_from_one_side_are_warnings(captured):
    found = covered(captured, lambda place: place[2] < 0)
    assert found.gaps[0].name == "from above"
    assert check_coverage(found)[0].level == "warning"
    found = covered(captured, lambda place: place[0] > -0.1)
    assert found.gaps[0].name.startswith("from the side of -x")
    assert found.gaps[0].nearest in found.names


def test_a_capture_from_one_side_is_told_by_where_it_is(captured):
    found = covered(captured, lambda place: place[1] > 0.8)
    assert found.gaps[0].name == "but from the side of +y"
    assert found.share < 0.3


def test_cameras_that_do_not_see_the_subject_cover_nothing(captured):
    poses = round_subject(sphere(40))
    poses[:, :3, :3] = poses[:, :3, :3] @ np.diag([1, -1, -1])
    assert cover(captured(poses).frames, SUBJECT) is None
    assert check_coverage(None)[0].level == "note"
