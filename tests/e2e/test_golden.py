"""Runs that earlier versions wrote open, answer as they did, and go on: see tests/golden."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import rayfield
from rayfield.app.catalogue import METHODS
from rayfield.app.learned.opened import Learned

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
RUNS = sorted(file.parent.relative_to(GOLDEN).as_posix() for file in GOLDEN.glob("*/*/run.json"))
MORE = 2  # steps


def questions():
    """tools/keep_runs.py, which asks the runs."""
    spec = importlib.util.spec_from_file_location("keep_runs", ROOT / "tools" / "keep_runs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def differences(version: str, method: str, learned: Learned) -> list[str]:
    """Questions that a run answers otherwise than its version did."""
    stored = json.loads((GOLDEN / version / "answers.json").read_text())[method]
    found = questions().answers(learned)
    assert found.keys() == stored.keys()
    return [
        name
        for name, values in stored.items()
        if not np.allclose(found[name], values, rtol=1e-3, atol=1e-4 * np.abs(values).max())
    ]


def test_there_are_runs_of_every_kind_of_learning():
    kept = {Path(run).name for run in RUNS}
    assert {"nerf", "instant", "neus", "igr", "deepsdf"} <= kept <= METHODS.keys()


@pytest.mark.parametrize("name", RUNS)
def test_an_old_run_answers_as_it_did(name):
    version, method = name.split("/")
    assert differences(version, method, rayfield.open(GOLDEN / name)) == []
    stored = json.loads((GOLDEN / version / "answers.json").read_text())[method]
    assert any(np.ptp(values) > 1e-3 for values in stored.values())  # not a constant


def test_a_run_with_other_weights_answers_otherwise():
    """The comparison notices a change of a hundredth in one tensor."""
    learned = rayfield.open(GOLDEN / "0.1.0" / "igr")
    with torch.no_grad():
        next(learned.model.parameters()).add_(0.01)
    assert differences("0.1.0", "igr", learned) == ["value"]


@pytest.mark.parametrize("name", RUNS)
def test_an_old_run_is_told_of_and_goes_on(name, tmp_path, command):
    """With its data beside it, not where it was."""
    version, method = name.split("/")
    shutil.copytree(GOLDEN / version, tmp_path / version)
    run = tmp_path / name
    told = command.json("info", run)
    assert (told["method"], told["step"]) == (method, 12)
    record = json.loads((run / "run.json").read_text())
    record["budget"]["steps"] += MORE
    (run / "run.json").write_text(json.dumps(record))
    assert command.json("resume", run, "--no-report")["step"] == 12 + MORE
    for name, values in questions().answers(rayfield.open(run)).items():
        assert np.isfinite(values).all(), name
