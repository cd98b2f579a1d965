"""What the page is told of a run."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from rayfield.app.viewer import stage as staging


def test_all_of_it_is_plain_json(ball):
    found = staging.stage(ball, live=False, mesh="field", photos=False)
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again["name"] == "run <img src=x onerror=alert(1)>"
    assert again["modes"] == ["color", "depth", "normals", "opacity", "samples"]
    assert again["unit"] == pytest.approx(2)
    assert [c["split"] for c in again["cameras"]].count("test") == 2
    assert again["cameras"][0]["plane"] == pytest.approx([-32 / 60, -24 / 60, 32 / 60, 24 / 60])


def test_cameras_are_told_in_the_scene(ball, lens):
    found = staging.stage(ball, live=False, mesh="", photos=False)["cameras"][2]["pose"]
    assert np.allclose(found, lens(2).pose[:3].ravel(), atol=1e-5)


def test_up_is_that_of_the_photos(ball, lens):
    photos = staging.scene_cameras(ball)
    assert staging.up_of(photos).tolist() == [0, 0, 1]
    turn = np.eye(4)
    turn[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
    lying = [replace(c, pose=turn @ c.pose) for c in photos]
    assert staging.up_of(lying) @ [0, 1, 0] > 0.95


def test_a_subject_is_first_seen_from_the_turntable_a_place_from_a_photo(ball):
    start = staging.home(ball)
    assert np.linalg.norm(start.pose[:3, 3]) == pytest.approx(np.hypot(2, 0.5), rel=0.01)
    assert abs(start.pose[:3, 2] @ start.pose[:3, 3]) > 2
    record = {**ball.run.record, "traits": {**ball.run.record["traits"], "bounded": False}}
    place = replace(ball, run=replace(ball.run, record=record))
    photo = staging.scene_cameras(place)[0]
    assert np.allclose(staging.home(place).pose, photo.pose)


def test_curves_are_thinned_out_and_without_what_is_missing(ball):
    found = staging.stage(ball, live=False, mesh="", photos=False)["curves"]
    assert 250 < len(found["step"]) <= staging.MOST_POINTS
    assert found["step"][-1] == 898
    assert found["psnr"][0] == pytest.approx(10.01)
    assert found["loss"][0] == 1
    rows = [{"step": 1, "terms": {"a": 1.0, "b": None}}, {"step": 2, "skipped": "loss"}]
    assert staging.curves(rows)["loss"] == [None]
    assert staging.curves([])["step"] == []


def test_frusta_are_smaller_than_the_gaps_between_them(ball):
    size = staging.frustum_size(staging.scene_cameras(ball))
    assert 0.04 < size < 0.3
    assert staging.frustum_size(staging.scene_cameras(ball)[:1]) > 0
