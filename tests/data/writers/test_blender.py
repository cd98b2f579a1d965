"""NeRF's synthetic form as written: as NeRF's own code reads it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from rayfield.core.types import Camera
from rayfield.data.scene import Capture, Frame
from rayfield.data.writers.blender import fit, write


def capture_of(root, splits: list[str]) -> Capture:
    frames = []
    for i, split in enumerate(splits):
        pose = np.eye(4)
        pose[0, 3] = i
        camera = Camera(24, 16, 30.0, 30.0, 12.0, 8.0, pose)
        name = f"{split}/r_{i}.png"
        frames.append(Frame(name, camera, root / name, split))
    return Capture(root, "made", tuple(frames), None, ())


def test_rays_are_those_of_the_released_code(tmp_path):
    """focal = W / 2 / tan(angle / 2), directions ((i - W/2) / f, -(j - H/2) / f, -1) at centres."""
    capture = capture_of(tmp_path, ["train", "train", "test"])
    write(tmp_path, capture)
    document = json.loads((tmp_path / "transforms_train.json").read_text())
    focal = 0.5 * 24 / np.tan(0.5 * document["camera_angle_x"])
    assert focal == pytest.approx(30.0, rel=1e-12)
    matrix = np.array(document["frames"][1]["transform_matrix"])
    direction = matrix[:3, :3] @ [(0.5 - 12) / focal, -(0.5 - 8) / focal, -1]
    # OpenCV's axes are the world's here
    assert np.allclose(direction, [(0.5 - 12) / 30, (0.5 - 8) / 30, 1])
    assert matrix[:3, 3].tolist() == [1.0, 0.0, 0.0]


def test_names_are_without_suffix(tmp_path):
    write(tmp_path, capture_of(tmp_path, ["train", "test"]))
    document = json.loads((tmp_path / "transforms_test.json").read_text())
    assert [frame["file_path"] for frame in document["frames"]] == ["./test/r_1"]


@pytest.mark.parametrize("split", ["test", "val"])
def test_all_three_listings_are_there(split, tmp_path):
    splits = ["train", "train", "test", *(["val"] if split == "val" else [])]
    write(tmp_path, capture_of(tmp_path, splits))
    val = json.loads((tmp_path / "transforms_val.json").read_text())
    names = ["./test/r_2"] if split == "test" else ["./val/r_3"]
    assert [frame["file_path"] for frame in val["frames"]] == names


def test_one_view_fits_all(tmp_path):
    cameras = [frame.camera for frame in capture_of(tmp_path, ["train"] * 3).frames]
    cameras[1] = replace(cameras[1], fx=40.0, fy=40.0)
    cameras[2] = replace(cameras[2], width=20, cx=10.0, distortion=(-0.1,))
    fitted = fit(cameras)
    assert len({(c.width, c.height, c.fx, c.cx, c.distortion) for c in fitted}) == 1
    assert [c.pose[0, 3] for c in fitted] == [0, 1, 2]
