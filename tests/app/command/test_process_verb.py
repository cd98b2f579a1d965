"""The verb `process`: its options, what it prints, its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rayfield.app.command import cli
from rayfield.app.process import reconstruct
from rayfield.app.process.job import Settings
from rayfield.core.check import DataError

FOUND = {
    "data": "my data",
    "registered": 49,
    "total": 50,
    "failures": [{"name": "a.jpg", "kind": "unmatched", "reason": "none"}],
    "models": [49],
    "points": 4811,
    "error": 0.4216,
    "stages": ["exhaustive"],
    "lenses": ["OPENCV 270x480, focal length 344.0 px, 49 images"],
    "seconds": 61.2,
}


@pytest.fixture
def asked(monkeypatch) -> list[tuple[object, ...]]:
    """What the verb asks for; it is answered with FOUND."""
    calls: list[tuple[object, ...]] = []

    def process(source, out, settings, *, threads, force, display):
        calls.append((source, out, settings, threads, force))
        if source.name == "bad":
            raise DataError(source, "is bad", "mend it")
        return FOUND

    monkeypatch.setattr(reconstruct, "process", process)
    return calls


def test_options_reach_the_work(asked, capsys):
    words = (
        "process photos -o data --camera per-image --matching sequential --frames 90 --seed 7 "
        "--min-registered 0.5 --allow-partial --exif ignore --threads 2 --force"
    )
    assert cli.main(words.split()) == 0
    settings = Settings("per-image", "sequential", 90, 0.5, True, "ignore", 7)
    assert asked == [(Path("photos"), Path("data"), settings, 2, True)]
    capsys.readouterr()


def test_the_answer_tells_what_was_found_and_what_comes_next(asked, capsys):
    assert cli.main(["process", "photos", "-o", "data"]) == 0
    assert asked[0][2] == Settings()
    assert capsys.readouterr().out.splitlines() == [
        "registered 49 of 50 images (98 %), 4,811 points, mean reprojection error 0.42 px",
        "lens: OPENCV 270x480, focal length 344.0 px, 49 images",
        "without a pose: a.jpg (why: my data/process.json)",
        "data: my data, in 61 s",
        "next: rayfield train instant 'my data' -o RUN",
    ]


def test_json_holds_all_of_it(asked, capsys):
    assert cli.main(["process", "photos", "-o", "data", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == FOUND


def test_bad_data_and_usage_have_their_exit_codes(asked, capsys):
    assert cli.main(["process", "bad", "-o", "data"]) == 3
    assert capsys.readouterr().err == "error: bad: is bad; mend it\n"
    assert cli.main(["process", "photos"]) == 2
    assert "output" in capsys.readouterr().err
    assert cli.main(["process", "photos", "-o", "data", "--camera", "pinhole"]) == 2
