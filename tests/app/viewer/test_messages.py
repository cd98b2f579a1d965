"""What a browser says: understood, brought into range, or refused."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rayfield.app.viewer import messages
from rayfield.app.viewer.messages import Look, Path, Pause, Seen, Still, Unspeakable, parse

HOME = np.eye(4)
POSE = [1.0, 0, 0, 1, 0, 1, 0, 2, 0, 0, 1, 3]


def look(**more) -> str:
    return json.dumps({"kind": "look", "pose": POSE, **more})


def test_a_look_says_where_from_how_wide_and_what():
    found = parse(
        look(number=7, fov=40, width=300, height=200, mode="depth", crop=[1, 0, 0, 0, 1, 2]), HOME
    )
    assert isinstance(found, Look)
    assert found.number == 7
    assert found.pose[:3, 3].tolist() == [1, 2, 3]
    assert (found.width, found.height, found.mode) == (300, 200, "depth")
    assert found.crop == ((0, 0, 0), (1, 1, 2))  # sorted


def test_the_camera_of_a_look_keeps_its_view_at_any_size():
    found = parse(look(fov=60, width=400, height=200), HOME)
    for width, height in ((400, 200), (40, 20), (33, 17)):
        camera = found.camera(width, height)
        assert math.degrees(2 * math.atan(0.5 * height / camera.fy)) == pytest.approx(60)
        assert camera.cx / camera.fx == pytest.approx(2 * math.tan(math.radians(30)))


@pytest.mark.parametrize(
    ("given", "name", "kept"),
    [
        ({"fov": 0}, "fov", 1.0),
        ({"fov": float("nan")}, "fov", 50),
        ({"fov": float("inf")}, "fov", 150.0),
        ({"mode": "x-ray"}, "mode", "color"),
        ({"background": [2, -1, float("nan")]}, "background", (1, 0, 1)),
        ({"number": -4}, "number", 0),
    ],
)
def test_values_out_of_range_are_brought_into_it(given, name, kept):
    assert parse(look(**given), HOME)[Look._fields.index(name)] == kept


@pytest.mark.parametrize("side", [100_000, 1e300, float("inf"), 10**400])
def test_huge_pictures_are_limited(side):
    found = parse(look(width=side, height=side), HOME)
    assert 1000 < found.width == found.height
    assert found.width * found.height <= messages.MOST_PIXELS
    still = parse(json.dumps({"kind": "still", "pose": POSE, "width": side, "height": 1}), HOME)
    assert isinstance(still, Still)
    assert (still.look.width, still.look.height) == (messages.LONGEST_SIDE, 1)


def test_a_pose_becomes_the_nearest_rigid_one():
    rng = np.random.default_rng(0)
    rough = np.array(POSE).reshape(3, 4) + 0.05 * rng.standard_normal((3, 4))
    pose = parse(look(pose=rough.ravel().tolist()), HOME).pose
    assert np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3))
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)
    assert np.abs(pose[:3, :3] - rough[:, :3]).max() < 0.1


@pytest.mark.parametrize(
    "broken", [[0.0] * 12, [math.nan] * 12, [math.inf, *POSE[1:]], [1e300] * 12]
)
def test_a_pose_that_is_none_becomes_home(broken):
    assert parse(look(pose=broken), HOME).pose is HOME


def test_places_far_away_stay_finite():
    far = [*POSE[:3], 1e30, *POSE[4:]]
    assert parse(look(pose=far), HOME).pose[0, 3] == messages.FARTHEST


def test_a_path_is_sorted_in_time():
    keys = [{"seconds": s, "pose": POSE, "fov": 50} for s in (2, 0, 1)]
    found = parse(json.dumps({"kind": "path", "keys": keys, "loop": True}), HOME)
    assert isinstance(found, Path)
    assert [key.seconds for key in found.keys] == [0, 1, 2]
    assert found.loop


def test_short_messages():
    assert parse('{"kind": "seen"}', HOME) == Seen()
    assert parse('{"kind": "pause", "on": true}', HOME) == Pause(True)


@pytest.mark.parametrize(
    "text",
    [
        b"\x00\x01",
        "",
        "nonsense",
        "[]",
        "{}",
        "[" * 100_000,
        '{"kind": "eval"}',
        '{"kind": ["look"]}',
        '{"kind": "look"}',
        '{"kind": "look", "pose": 3}',
        '{"kind": "look", "pose": [1, 2]}',
        '{"kind": "look", "pose": ["1", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}',
        '{"kind": "look", "pose": [true, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}',
        look(fov="wide"),
        look(fov=None),
        look(mode=3),
        look(crop=[1]),
        look(background="red"),
        '{"kind": "pause", "on": 1}',
        '{"kind": "path", "keys": []}',
        '{"kind": "path", "keys": [3]}',
        '{"kind": "path", "keys": [{}]}',
        json.dumps({"kind": "path", "keys": [{"seconds": 0, "pose": POSE}] * 2001}),
    ],
)
def test_what_is_no_message_is_refused(text):
    with pytest.raises(Unspeakable):
        parse(text, HOME)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=13) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=20,
)
NAMES = ("number", "pose", "fov", "width", "height", "mode", "background", "crop", "keys", "on")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["look", "still", "path", "pause"]),
    st.dictionaries(st.sampled_from(NAMES), JSON),
)
def test_anything_is_understood_or_refused(kind, about):
    """Never another error, never a number that is not finite."""
    try:
        found = parse(json.dumps({"pose": POSE, **about, "kind": kind}), HOME)
    except Unspeakable:
        return
    looks = [found.look] if isinstance(found, Still) else [found] if isinstance(found, Look) else []
    for each in looks:
        assert np.isfinite(each.pose).all()
        assert np.isfinite([each.fov, *each.background, *np.ravel(each.crop or 0)]).all()
        assert 1 <= each.width * each.height <= messages.MOST_SAVED
