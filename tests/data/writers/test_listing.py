"""What all forms of transforms.json have alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rayfield.core.types import Camera
from rayfield.data.images import ImageInfo
from rayfield.data.intrinsics import Values, camera_of
from rayfield.data.scene import Frame
from rayfield.data.writers.listing import frame_keys, lens_keys

CAMERA = Camera(24, 16, 30.0, 31.0, 12.5, 7.5, np.eye(4))


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"distortion": (0.05, -0.02, 0.001, -0.0005)},
        {"distortion": (0.0, 0.0, 0.0, 0.0, 0.01, 0.0, 0.0, 0.0, 0.002)},
        {"distortion": (0.05, 0.01, 0.002, -0.001), "lens": "fisheye"},
    ],
)
def test_lenses_come_back_from_their_keys(change):
    camera = replace(CAMERA, **change)
    frame = Frame("a.png", camera, Path("a.png"), "train")
    keys = {**lens_keys(camera), **frame_keys(frame, Path())}
    if camera.lens == "fisheye":
        keys["camera_model"] = "OPENCV_FISHEYE"
    found, _ = camera_of(Values(Path("t.json"), "a.png", keys, {}), ImageInfo(24, 16, False, False))
    count = len(camera.distortion)
    assert found.distortion[:count] == camera.distortion
    assert not any(found.distortion[count:])
    assert np.array_equal(found.pose, camera.pose)
    assert (found.fx, found.fy, found.cx, found.cy) == (30.0, 31.0, 12.5, 7.5)


def test_a_pinhole_has_no_coefficients():
    assert not {"k1", "k2", "p1", "p2"} & set(lens_keys(CAMERA))


def test_a_frame_tells_its_mask_and_its_depths():
    frame = Frame("images/a.png", CAMERA, Path("r/images/a.png"), "train", bounds=(1.0, 5.0))
    frame = replace(frame, mask=Path("r/masks/a.png"))
    keys = frame_keys(frame, Path("r"))
    assert (keys["file_path"], keys["mask_path"]) == ("images/a.png", "masks/a.png")
    assert (keys["near"], keys["far"]) == (1.0, 5.0)
    assert frame_keys(frame, Path("r"), suffix=False)["file_path"] == "./images/a"
