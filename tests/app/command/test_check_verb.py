"""The verb `check` as users type it."""

from __future__ import annotations

import json

import numpy as np

from rayfield.app.command import cli
from rayfield.data.synthetic import toy, write_scene


def scene(folder):
    write_scene(folder, toy(0), views={"train": 12, "test": 2}, size=48)
    return folder


def test_a_sound_set_is_ready_to_train(tmp_path, capsys):
    assert cli.main(["check", str(scene(tmp_path / "toy"))]) == 0
    out = capsys.readouterr().out
    assert "verdict: ready to train" in out
    assert "views from here will be guesses" in out


def test_inverted_poses_end_with_exit_code_3_and_the_reason(tmp_path, capsys):
    root = scene(tmp_path / "toy")
    for file in root.glob("transforms_*.json"):
        document = json.loads(file.read_text())
        for frame in document["frames"]:
            frame["transform_matrix"] = np.linalg.inv(frame["transform_matrix"]).tolist()
        file.write_text(json.dumps(document))
    assert cli.main(["check", str(root), "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["trainable"] is False
    assert found["read_poses"] == "inverted"
    assert found["findings"][0]["level"] == "error"
    assert "camera-from-world" in found["findings"][0]["what"]


def test_what_is_no_data_set_is_an_error_in_one_line(tmp_path, capsys):
    assert cli.main(["check", str(tmp_path)]) == 3
    assert "is not a data set of posed pictures" in capsys.readouterr().err
