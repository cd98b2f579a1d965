"""nerfstudio's transforms.json as written."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from rayfield.data.detect import read_capture
from rayfield.data.writers.nerfstudio import POINTS, write
from rayfield.geometry.ply import read_ply


def listed(root, capture) -> dict:
    write(root, capture)
    return json.loads((root / "transforms.json").read_text())


def test_points_go_along_with_their_colours(capture_dir):
    root = capture_dir("colmap")
    capture = read_capture(root)
    document = listed(root, capture)
    assert document["ply_file_path"] == POINTS
    cloud = read_ply(root / POINTS)
    assert np.array_equal(cloud.vertices, capture.points)
    assert np.array_equal(cloud.colors, capture.sparse.colors)


def test_without_points_none_are_named(capture_dir):
    root = capture_dir("ngp")
    assert "ply_file_path" not in listed(root, read_capture(root))


def test_all_lists_of_splits_are_there_or_none(capture_dir):
    root = capture_dir("colmap")
    capture = read_capture(root)
    lists = ("train_filenames", "val_filenames", "test_filenames")
    assert not set(lists) & set(listed(root, capture))
    frames = tuple(
        replace(f, split="test" if i in (2, 5) else "train") for i, f in enumerate(capture.frames)
    )
    document = listed(root, replace(capture, frames=frames))
    train, val, test = (document[name] for name in lists)
    assert test == val == ["images/img2.png", "images/img5.png"]
    assert len(train) == 9


def test_the_kind_of_lens_is_told(capture_dir, make_ring):
    root = capture_dir("nerfstudio", cameras=make_ring(5, lens=(0.1,), kind="fisheye"))
    capture = read_capture(root)
    assert listed(root, capture)["camera_model"] == "OPENCV_FISHEYE"
    other = replace(capture.frames[0].camera, lens="perspective")
    mixed = (replace(capture.frames[0], camera=other), *capture.frames[1:])
    document = listed(root, replace(capture, frames=mixed))
    models = [frame["camera_model"] for frame in document["frames"]]
    assert models == ["OPENCV", *["OPENCV_FISHEYE"] * 4]
