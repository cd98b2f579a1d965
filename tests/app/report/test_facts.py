"""What a run folder holds, whole and damaged."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from rayfield.app.report.facts import FRAMES, Facts, read_facts
from rayfield.core.check import DataError
from rayfield.train.run import create_run


def record(**changes) -> dict:
    return {
        "method": "instant",
        "config": {"steps": 10},
        "data": {
            "given": "photos",
            "path": "photos",
            "relative": "photos",
            "fingerprint": "f" * 64,
            "splits": {"train": 3, "val": 0, "test": 1},
            "downscale": 1,
        },
        "world_from_scene": np.eye(4).tolist(),
        "traits": {"bounded": True, "alpha": True, "images": 3, "near": 0.0},
        "seed": 0,
        "budget": {"steps": 10, "seconds": None},
        **changes,
    }


@pytest.fixture
def run(tmp_path):
    """A run folder with a log and a strip of pictures, but no checkpoint."""
    found = create_run(tmp_path / "run", record())
    rows = [{"step": s, "seconds": s / 2, "terms": {"mse": 1 / s}, "psnr": s} for s in (1, 2, 3)]
    found.log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found.figures.mkdir()
    frames = []
    for step in range(20):
        name = f"preview-{step:07d}.png"
        Image.new("RGB", (4, 4), (step, 0, 0)).save(found.figures / name)
        frames.append({"file": name, "seconds": float(step), "psnr": 20.0, "remark": ""})
    strip = {"view": "a.png", "frames": frames}
    (found.figures / "sharpening.json").write_text(json.dumps(strip))
    return found


def test_everything_is_read(run):
    facts = read_facts(run.path)
    assert [row["step"] for row in facts.rows] == [1, 2, 3]
    assert facts.versions["rayfield"]
    assert len(facts.frames) == FRAMES
    assert [facts.frames[0].seconds, facts.frames[-1].seconds] == [0.0, 19.0]
    assert (facts.view, facts.frames[3].label.endswith("20.0 dB")) == ("a.png", True)
    assert facts.has_surface
    assert facts.problems == [f"cameras.json: {run.path / 'cameras.json'}: cannot be read "
                              "(No such file or directory); restore the file from a copy, or "
                              "train anew"]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("metrics.json", "{", "metrics.json"),
        ("mesh.json", '{"faces": NaN}', "mesh.json"),
        ("cameras.json", "[]", "cameras.json"),
        ("figures/sharpening.json", '{"frames": 3}', "strip of sharpening"),
        ("log.jsonl", "", "there are no curves"),
    ],
)
def test_what_is_damaged_is_told_and_the_rest_is_read(run, file, content, told):
    (run.path / file).write_text(content)
    facts = read_facts(run.path)
    assert any(told in problem for problem in facts.problems)
    assert facts.versions


def test_names_that_lead_out_of_the_run_are_not_followed(run, tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "secret.png")
    rows = [{"file": name, "seconds": 1.0} for name in ("../../secret.png", str(tmp_path / "secret.png"), 5, None)]  # fmt: skip  # noqa: E501
    (run.figures / "sharpening.json").write_text(json.dumps({"frames": [*rows, 7, None]}))
    assert read_facts(run.path).frames == []


def test_lines_of_a_log_without_numbers_are_left_out(run):
    facts = Facts(run)
    facts.log = [
        {"step": 1, "terms": {}, "seconds": None},
        {"step": 2, "terms": [], "seconds": 1.0},
        {"step": 3, "terms": {}, "seconds": True},
        {"step": 4, "terms": {}, "seconds": 2},
    ]
    assert [row["step"] for row in facts.rows] == [4]


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(DataError, match="no run here"):
        read_facts(tmp_path)
