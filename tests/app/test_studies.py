"""The catalogue of studies and the verb that runs one."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path

import pytest

from rayfield.app import studies
from rayfield.app.command import cli
from rayfield.app.studies import STUDIES
from rayfield.core.check import UsageError
from rayfield.studies import quadrature
from rayfield.studies.study import Findings, Verdict
from rayfield.train.interrupt import Interrupted


@pytest.fixture
def answer(monkeypatch):
    """Makes the quadrature study find what a test says, at once."""

    def patch(holds: bool = True) -> None:
        def run(folder, *, full, report, data):
            report(0.5, "half")
            (folder / "figure.png").write_bytes(b"png")
            return Findings({"full": full}, Verdict("c", "f", holds))

        monkeypatch.setattr(quadrature, "run", run)

    return patch


@pytest.mark.parametrize("name", sorted(STUDIES))
def test_every_study_loads_and_keeps_the_contract(name):
    module = importlib.import_module(STUDIES[name].module)
    assert module.__doc__
    assert list(inspect.signature(module.run).parameters) == ["folder", "full", "report", "data"]
    assert STUDIES[name].summary


def test_every_file_with_a_study_is_in_the_catalogue():
    folder = Path(quadrature.__file__).parent
    files = {p.stem for p in folder.glob("*.py") if "\ndef run(folder: Path" in p.read_text()}
    assert {entry.module.rpartition(".")[2] for entry in STUDIES.values()} == files


@pytest.mark.parametrize("words", [["study"], ["study", "--list"]])
def test_studies_are_listed(words, capsys):
    assert cli.main(words) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in STUDIES)
    assert cli.main([*words, "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == list(STUDIES)


def test_an_unknown_study_is_answered_with_the_nearest_name(capsys, tmp_path):
    assert cli.main(["study", "quadratur", "-o", str(tmp_path / "x")]) == 2
    assert "did you mean 'quadrature'?" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_data_for_a_study_that_takes_none_is_refused(capsys, tmp_path):
    words = ["study", "quadrature", "-o", str(tmp_path / "x"), "--data", "photos"]
    assert cli.main(words) == 2
    assert "needs no --data" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("holds", [True, False])
def test_a_claim_that_does_not_hold_is_said_and_is_no_failure(holds, answer, capsys, tmp_path):
    answer(holds)
    assert cli.main(["study", "quadrature", "-o", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert ("the claim holds" in text) == holds
    assert ("does not hold" in text) != holds


def test_the_numbers_are_what_json_prints(answer, capsys, tmp_path):
    answer()
    assert cli.main(["study", "quadrature", "-o", str(tmp_path / "q"), "--full", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((tmp_path / "q" / "numbers.json").read_text())
    assert found["numbers"] == {"full": True}
    assert (found["claim"], found["found"], found["holds"]) == ("c", "f", True)
    assert not (tmp_path / "q" / ".lock").exists()


def test_the_results_of_another_study_are_not_overwritten(answer, capsys, tmp_path):
    answer()
    (tmp_path / "numbers.json").write_text('{"study": "sampling"}')
    assert cli.main(["study", "quadrature", "-o", str(tmp_path)]) == 2
    assert "holds the study 'sampling'" in capsys.readouterr().err
    assert not (tmp_path / "figure.png").exists()


def test_the_long_version_has_a_folder_of_its_own(answer, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer()
    assert cli.main(["study", "quadrature"]) == 0
    assert cli.main(["study", "quadrature", "--full"]) == 0
    folders = sorted(p.name for p in (tmp_path / "studies").iterdir())
    assert folders == ["quadrature", "quadrature-full"]


def test_a_study_that_is_stopped_says_how_to_go_on(capsys, tmp_path, monkeypatch):
    def run(folder, *, full, report, data):
        raise Interrupted("stopped")

    monkeypatch.setattr(quadrature, "run", run)
    folder = tmp_path / "a b"
    assert cli.main(["study", "quadrature", "--full", "-o", str(folder)]) == 130
    said = capsys.readouterr().err
    assert f"continue with: rayfield study quadrature -o '{folder}' --full" in said


def test_find_study_lists_what_there_is():
    with pytest.raises(UsageError, match="there are: quadrature"):
        studies.find_study("zzz")
