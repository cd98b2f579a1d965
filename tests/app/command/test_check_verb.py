"""The verb `check` as users type it."""

from __future__ import annotations

import json

import numpy as np

from rayfield.app.command import cli
from rayfield.data.synthetic import toy, write_scene


def scene(folder):
    write_scene(folder, toy(0), views={"train": 12, "test": 2}, size=48)
    return folder


def inverted(root):
    for file in root.glob("transforms_*.json"):
        document = json.loads(file.read_text())
        for frame in document["frames"]:
            frame["transform_matrix"] = np.linalg.inv(frame["transform_matrix"]).tolist()
        file.write_text(json.dumps(document))
    return root


def test_a_sound_set_is_ready_to_train(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["check", str(scene(tmp_path / "toy"))]) == 0
    out = capsys.readouterr().out
    assert "verdict: ready to train" in out
    assert "views from here will be guesses" in out


def test_inverted_poses_end_with_exit_code_3_and_the_reason(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = inverted(scene(tmp_path / "toy"))
    assert cli.main(["check", str(root), "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["trainable"] is False
    assert found["read_poses"] == "inverted"
    assert found["findings"][0]["level"] == "error"
    assert "camera-from-world" in found["findings"][0]["what"]


def test_what_is_no_data_set_is_an_error_in_one_line(tmp_path, capsys):
    assert cli.main(["check", str(tmp_path)]) == 3
    assert "is not a data set of posed pictures" in capsys.readouterr().err


def test_fix_writes_a_copy_that_is_ready_to_train(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = inverted(scene(tmp_path / "toy"))
    assert cli.main(["check", str(root), "--fix", "-o", "new"]) == 0
    out = capsys.readouterr().out
    assert "ERROR    axes" in out
    assert "corrected copy: new (14 poses inverted)" in out
    assert "its verdict: ready to train" in out
    assert (tmp_path / "check-new.png").stat().st_size > 10_000
    assert cli.main(["check", "new"]) == 0


def test_fix_without_a_folder_and_into_the_data_is_refused(tmp_path, capsys):
    root = inverted(scene(tmp_path / "toy"))
    assert cli.main(["check", str(root), "--fix"]) == 2
    assert cli.main(["check", str(root), "--fix", "-o", str(root)]) == 2
    assert "choose another" in capsys.readouterr().err


def test_nothing_to_fix_is_told(tmp_path, capsys):
    root = scene(tmp_path / "toy")
    assert cli.main(["check", str(root), "--fix", "-o", str(tmp_path / "new")]) == 3
    assert "nothing that --fix can mend" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
