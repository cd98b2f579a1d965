"""What `rayfield info` tells of points and of runs that learned surfaces."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rayfield.app import info as told
from rayfield.app.info import doctor, info
from rayfield.core.check import DataError
from rayfield.train.run import Record, create_run


@pytest.fixture
def points(tmp_path):
    normals = np.random.default_rng(0).normal(size=(40, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    np.savetxt(tmp_path / "ball.xyz", np.concatenate([3 * normals, normals], axis=1))
    return tmp_path / "ball.xyz"


def test_a_file_of_points_is_described(points):
    values, text = info(points)
    assert values["kind"] == "points"
    assert values["count"] == 40
    assert values["has_normals"]
    assert "40 points with normals" in text


def test_a_listing_of_photos_is_not_taken_for_points(tmp_path):
    (tmp_path / "transforms.json").write_text("{}")
    with pytest.raises(DataError, match='has no list "frames"'):
        info(tmp_path / "transforms.json")
    (tmp_path / "cameras.json").write_text("{}")
    with pytest.raises(DataError, match="give the folder it is in"):
        info(tmp_path / "cameras.json")


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("hello\n")
    with pytest.raises(DataError, match="not a file of points"):
        info(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ({"step": 7, "value_at_data": 0.25, "mesh": {}}, "value_at_data 0.25"),
        ({"split": "test", "step": 7, "psnr": 30.0, "ssim": None}, "PSNR 30.00 dB on test"),
    ],
)
def test_a_run_tells_what_was_measured(tmp_path, points, metrics, words):
    data = {"given": "x", "path": "x", "relative": "x", "fingerprint": "x"}
    record = Record(
        method="igr",
        config={},
        data={**data, "splits": {"train": 40}, "downscale": 1},
        world_from_scene=np.eye(4).tolist(),
        traits={},
        seed=0,
        budget={},
    )
    run = create_run(tmp_path / "run", record)
    run.metrics.write_text(json.dumps(metrics))
    values, text = info(run.path)
    assert words in text
    assert values["metrics"]["step"] == 7


def test_doctor_tells_which_optional_packages_are_there(monkeypatch):
    monkeypatch.setattr(told, "OPTIONAL", ("numpy", "no-such-package"))
    values, text = doctor(warm=False)
    assert values["optional"]["numpy"]
    assert values["optional"]["no-such-package"] is None
    assert "no-such-package not installed" in text
