"""Where the subject is."""

from __future__ import annotations

import numpy as np
import pytest

from rayfield.data.check.box import find_subject
from rayfield.data.check.look import look_at
from rayfield.data.check.reading import gather


def found_in(root):
    capture = gather(root).capture
    return find_subject(capture, look_at(capture.frames)[0])


def test_a_cut_out_subject_is_in_its_hull(write):
    subject, findings = found_in(write(alpha=True))
    assert subject.bounded
    assert np.allclose(subject.centre, (1, 2, 3), atol=0.1)
    assert subject.half == pytest.approx(4 * 15 / 100, rel=0.3)  # distance * pixels / focal
    assert [f.level for f in findings] == ["note"]


def test_opaque_photos_are_of_what_the_cameras_look_at(write):
    subject, findings = found_in(write())
    assert not subject.bounded
    assert np.allclose(subject.centre, (1, 2, 3), atol=0.1)
    assert findings == []


def test_silhouettes_that_do_not_fit_together_are_a_warning(write):
    def swap(document):
        matrices = [frame["transform_matrix"] for frame in document["frames"]]
        for i, frame in enumerate(document["frames"]):
            frame["transform_matrix"] = [row[:] for row in matrices[i]]
            frame["cx"], frame["cy"] = (5.0 if i % 2 else 91.0), (3.0 if i % 3 else 70.0)

    _, findings = found_in(write(swap, alpha=True))
    assert findings[0].level == "warning"
    assert "no common volume" in findings[0].what


def test_a_named_box_that_no_camera_sees_is_a_warning(write):
    def misplace(document):
        document["aabb"] = [[40, 40, 40], [42, 42, 42]]

    _, findings = found_in(write(misplace))
    assert findings[-1].level == "warning"
    assert "aabb" in findings[-1].what


def test_a_named_box_too_small_for_the_silhouettes_is_told(write):
    def small(document):
        document["aabb"] = [[0.9, 1.9, 2.9], [1.1, 2.1, 3.1]]

    subject, (found,) = found_in(write(small, alpha=True))
    assert np.allclose(subject.centre, (1, 2, 3))
    assert "past the ball" in found.what
