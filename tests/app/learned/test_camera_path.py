"""Camera paths: their files, and the curve between cameras."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from rayfield.app.learned.camera_path import (
    CameraPath,
    Keyframe,
    curve,
    keep_path,
    read_path,
    write_path,
)
from rayfield.core.check import DataError


def key(seconds: float, angle: float = 0.0, fov: float = 50.0) -> Keyframe:
    """A camera on a circle, turned by `angle` degrees about y."""
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("y", angle, degrees=True).as_matrix()
    pose[:3, 3] = [math.sin(math.radians(angle)), 0, math.cos(math.radians(angle))]
    return Keyframe(float(seconds), pose, float(fov))


PATH = CameraPath((key(0), key(1, 30), key(3, 80, 70)), 64, 48)


def test_a_path_is_read_back(tmp_path):
    file = tmp_path / "path.json"
    write_path(file, PATH)
    found = read_path(file)
    assert (found.width, found.height, found.loop) == (64, 48, False)
    for a, b in zip(found.keys, PATH.keys, strict=True):
        assert (a.seconds, a.vertical_fov) == (b.seconds, b.vertical_fov)
        assert np.array_equal(a.pose, b.pose)


def test_the_cameras_pass_through_the_keys():
    found = PATH.cameras(4)  # at 0, 1, 2 and 3 seconds
    for camera, wanted in zip((found[0], found[1], found[3]), PATH.keys, strict=True):
        assert np.allclose(camera.pose, wanted.pose, atol=1e-9)
        fov = math.degrees(2 * math.atan(0.5 * camera.height / camera.fy))
        assert fov == pytest.approx(wanted.vertical_fov)
    assert (found[0].cx, found[0].cy) == (32, 24)


def test_between_keys_cameras_are_rigid_and_turn_evenly():
    even = CameraPath(tuple(key(i, 20.0 * i) for i in range(5)), 64, 48)
    poses = [camera.pose for camera in even.cameras(81)]
    for pose in poses:
        assert np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-9)
    turned = [a[:3, :3].T @ b[:3, :3] for a, b in pairwise(poses)]
    turns = Rotation.from_matrix(np.stack(turned)).magnitude()
    assert np.ptp(turns[20:60]) < 0.05 * np.mean(turns)


def test_a_turn_takes_the_short_way():
    """Whatever the signs of the quaternions are."""
    path = CameraPath((key(0, 170), key(1, 190), key(2, 210)), 64, 48)
    for camera in path.cameras(41):
        angle = Rotation.from_matrix(camera.pose[:3, :3]).as_euler("yxz", degrees=True)[0] % 360
        assert 169 < angle < 211


def test_a_loop_ends_before_it_begins_again_and_has_no_corner():
    keys = tuple(key(i, 90.0 * i) for i in range(5))
    loop = CameraPath(keys, 64, 48, loop=True)
    places = np.array([c.pose[:3, 3] for c in loop.cameras(400)])
    assert not np.allclose(places[0], places[-1])
    steps = np.diff(np.vstack([places, places[:2]]), axis=0)
    along = steps / np.linalg.norm(steps, axis=1, keepdims=True)
    assert (along[1:] * along[:-1]).sum(1).min() > 0.99


def test_one_camera_stands_still():
    for camera in CameraPath((key(2, 40),), 64, 48).cameras(3):
        assert np.allclose(camera.pose, key(2, 40).pose)


def test_a_curve_through_a_line_is_the_line():
    times = np.array([0.0, 1.0, 4.0, 4.5])
    at = np.linspace(0, 4.5, 50)
    assert np.allclose(curve(times, times[:, None] * [2.0, -1.0], at), at[:, None] * [2.0, -1.0])


def test_paths_are_kept_under_names_that_are_free(tmp_path):
    first, second = keep_path(tmp_path, PATH), keep_path(tmp_path, PATH)
    assert [p.name for p in (first, second)] == ["path-1.json", "path-2.json"]
    assert read_path(first).duration == 3


GOOD = {
    "format": "rayfield camera path",
    "version": 1,
    "width": 64,
    "height": 48,
    "keyframes": [
        {"seconds": s, "vertical_fov": 50, "world_from_camera": np.eye(4).tolist()} for s in (0, 1)
    ],
}


def with_key(**more) -> dict:
    return GOOD | {"keyframes": [GOOD["keyframes"][0], GOOD["keyframes"][1] | more]}


def skewed(row: int, column: int, value: object) -> dict:
    matrix = np.eye(4).tolist()
    matrix[row][column] = value
    return with_key(world_from_camera=matrix)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty at line 1, column 1"),
        ('{"format": ', "is not valid JSON"),
        ("[]", "does not hold a JSON object"),
        ("[" * 200_000, "nested more than"),
        ({}, "is no camera path"),
        (GOOD | {"format": "other"}, "is no camera path"),
        (GOOD | {"version": 2}, "is of version 2, not 1; needs a newer rayfield"),
        (GOOD | {"keyframes": []}, "holds no keyframes"),
        (GOOD | {"keyframes": {"a": 1}}, "holds no keyframes"),
        (GOOD | {"keyframes": [3]}, "keyframe 0 is not an object"),
        (GOOD | {"width": 0}, "width is not a whole number from 1 to 16384"),
        (GOOD | {"height": 10**9}, "height is not a whole number"),
        (GOOD | {"width": 64.5}, "width is not a whole number"),
        (GOOD | {"width": True}, "width is not a whole number"),
        (GOOD | {"loop": 1}, '"loop" is not true or false'),
        (with_key(seconds=0), "keyframe 1 is not later than the one before"),
        (with_key(seconds=-1), "keyframe 1 is before the start"),
        (with_key(seconds=1e9), "keyframe 1 is later than 86400 seconds"),
        (with_key(seconds="1"), "keyframe 1 has no number for seconds"),
        (with_key(seconds=10**400), "'keyframes[1].seconds' is not a finite number"),
        (with_key(vertical_fov=0), "keyframe 1 has a vertical_fov that is not 0.1 to 175 degrees"),
        (with_key(vertical_fov=180), "keyframe 1 has a vertical_fov"),
        (with_key(world_from_camera=None), "keyframe 1 has no world_from_camera of 4x4 numbers"),
        (with_key(world_from_camera=[[1]]), "keyframe 1 has no world_from_camera of 4x4 numbers"),
        (skewed(0, 0, 2.0), "keyframe 1 has a world_from_camera that is no rotation and place"),
        (skewed(0, 0, -1.0), "keyframe 1 has a world_from_camera that is no rotation and place"),
        (skewed(3, 0, 1.0), "keyframe 1 has a world_from_camera that is no rotation and place"),
        (skewed(0, 3, "x"), "keyframe 1 has no number for world_from_camera"),
        (skewed(0, 3, 1e301), "is not a finite number"),
        (json.dumps(skewed(0, 3, math.nan)), "is not a finite number"),
        (json.dumps(GOOD)[:-1] + ', "width": 3}', "holds the key 'width' twice"),
    ],
)
def test_what_is_no_path_is_refused(tmp_path, content, said):
    file = tmp_path / "päth.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(DataError) as error:
        read_path(file)
    assert said in str(error.value)
    assert str(error.value).startswith(str(file))


def test_a_path_that_is_no_file_is_refused(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(DataError, match="is not a file"):
            read_path(path)
