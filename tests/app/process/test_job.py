"""Jobs and errors on their way between two processes."""

from __future__ import annotations

import json

import pytest

from rayfield.app.process.job import Job, Settings, error_event, from_line, raise_error
from rayfield.core.check import DataError, RayfieldError


@pytest.mark.parametrize(
    "job",
    [
        Job("w", Settings(), 2, video="v\u00efdeo \udcff.mp4"),
        Job(
            "w",
            Settings("single", "exhaustive", 9, 0.5, True, "ignore", 3),
            1,
            photos=(("/a b/1.jpg", "1.jpg"),),
            unread=(("2.jpg", "is empty"),),
        ),
    ],
)
def test_a_job_survives_its_line(job):
    line = job.to_line()
    assert line.isascii()
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert from_line(line) == job


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (DataError("a.jpg", "is bad", "mend it"), DataError, "a.jpg: is bad; mend it"),
        (OSError(28, "No space left on device", "db"), RayfieldError, "db: No space left"),
        (MemoryError(), RayfieldError, "memory ran out"),
        (RayfieldError("no"), RayfieldError, "failed: no"),
        (ValueError("two\nlines"), RayfieldError, "ValueError: two lines"),
    ],
)
def test_an_error_stays_what_it_was(error, kind, said):
    event = json.loads(json.dumps(error_event(error)))
    with pytest.raises(RayfieldError, match=said) as caught:
        raise_error(event)
    assert type(caught.value) is kind


def test_other_answers_raise_nothing():
    raise_error({"note": "hello"})
