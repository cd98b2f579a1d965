"""The ball of tests/app/conftest.py behind the viewer, and what a page would say to it."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rayfield.app.learned.field import TrainedField
from rayfield.app.viewer.address import Door
from rayfield.app.viewer.viewing import Viewer

# a camera 2 away along +x and 0.5 up, that looks at the origin
POSE = [0.0, 0.242535625, -0.9701425, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0, -0.9701425, -0.242535625, 0.5]


@pytest.fixture
def viewer(ball: TrainedField) -> Iterator[Viewer]:
    """The ball behind a server at a free port; nothing is rendered unless a test works for it."""
    with Viewer(ball, Door(port=0), lambda text: None) as viewer:
        yield viewer


@pytest.fixture(scope="session")
def opened() -> Callable[[bytes], tuple[dict[str, Any], bytes]]:
    """`unpacked`."""
    return unpacked


@pytest.fixture(scope="session")
def words() -> Callable[..., str]:
    """`a_look`."""
    return a_look


def unpacked(message: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON object and the body of a message of bytes."""
    size = struct.unpack("<I", message[:4])[0]
    return json.loads(message[4 : 4 + size]), message[4 + size :]


def a_look(**more: Any) -> str:
    """A look at the ball, as a message."""
    pose = POSE
    about = {"kind": "look", "number": 1, "pose": pose, "fov": 43.6, "width": 320, "height": 240}
    return json.dumps(about | more)
