"""nerfstudio's form."""

from __future__ import annotations

import numpy as np
import pytest

from rayfield.core.check import DataError
from rayfield.core.types import Mesh
from rayfield.data import nerfstudio
from rayfield.data.detect import read_capture
from rayfield.data.load import load_scene
from rayfield.geometry.ply import encode_ply


def names(*numbers: int) -> list[str]:
    return [f"images/img{i}.png" for i in numbers]


def test_published_splits_are_used_and_the_rest_is_left_out(capture_dir, edit_json):
    root = capture_dir("nerfstudio")
    splits = {
        "train_filenames": names(*range(6)),
        "val_filenames": names(6),
        "test_filenames": ["./images/img7.png"],
    }
    edit_json(root / "transforms.json", lambda d: d.update(splits))
    scene = load_scene(root)
    assert [len(scene.split(s)) for s in ("train", "val", "test")] == [6, 1, 1]
    assert scene.split("test")[0].name == "images/img7.png"
    assert "3 images are in no published split (not used)" in scene.notes


@pytest.mark.parametrize("other", ["val", "test"])
def test_a_training_picture_in_another_published_split_is_refused(capture_dir, edit_json, other):
    root = capture_dir("nerfstudio")
    splits = {"train_filenames": names(0, 1, 2), f"{other}_filenames": names(2)}
    edit_json(root / "transforms.json", lambda d: d.update(splits))
    with pytest.raises(DataError, match="one split only"):
        nerfstudio.read(root, root / "transforms.json")


def test_a_picture_for_validation_and_test_is_test(capture_dir, edit_json):
    root = capture_dir("nerfstudio")
    splits = {
        "train_filenames": names(0, 1, 2),
        "val_filenames": names(3, 4),
        "test_filenames": names(3),
    }
    edit_json(root / "transforms.json", lambda d: d.update(splits))
    found = {
        frame.name: frame.split for frame in nerfstudio.read(root, root / "transforms.json").frames
    }
    assert [found[name] for name in names(0, 3, 4)] == ["train", "test", "val"]


@pytest.mark.parametrize("key", ["camera_model", "applied_transform", "test_filenames"])
def test_its_own_keys_tell_the_form(key):
    assert nerfstudio.detect({key: [], "frames": []})
    assert not nerfstudio.detect({"frames": [], "aabb_scale": 4})


APPLIED = [[0.0, 1.0, 0.0, 0.5], [1.0, 0.0, 0.0, -1.0], [0.0, 0.0, -1.0, 2.0]]


def turned(document):
    """The poses of a file as a writer leaves them that turns, shifts and then scales the world."""
    apply = np.diag([2.0, 2.0, 2.0, 1.0]) @ np.vstack([APPLIED, [0, 0, 0, 1]])
    for frame in document["frames"]:
        matrix = apply @ np.array(frame["transform_matrix"])
        matrix[:3, :3] /= 2
        frame["transform_matrix"] = matrix.tolist()
        frame.update(near=4.0, far=16.0)
    document.update(applied_transform=APPLIED, applied_scale=2.0)
    document["aabb"] = [[-1.0, -1.0, -1.0], [3.0, 3.0, 3.0]]


def test_what_a_writer_applied_to_the_world_is_undone(capture_dir, edit_json, ring):
    root = capture_dir("nerfstudio")
    edit_json(root / "transforms.json", turned)
    points = np.random.default_rng(0).normal(size=(20, 3))
    apply = np.diag([2.0, 2.0, 2.0, 1.0]) @ np.vstack([APPLIED, [0, 0, 0, 1]])
    moved = points @ apply[:3, :3].T + apply[:3, 3]
    colors = np.random.default_rng(1).integers(0, 256, (20, 3), dtype=np.uint8)
    cloud = Mesh(moved, np.zeros((0, 3), np.int64), None, colors)
    (root / "sparse_pc.ply").write_bytes(encode_ply(cloud, double=True))
    edit_json(root / "transforms.json", lambda d: d.update(ply_file_path="sparse_pc.ply"))
    capture = read_capture(root)
    for frame in capture.frames:
        assert np.allclose(frame.camera.pose, ring[frame.name].pose, atol=1e-12)
        assert frame.bounds == pytest.approx((2.0, 8.0))
    assert np.allclose(capture.points, points, atol=1e-12)
    assert np.array_equal(capture.sparse.colors, colors)
    assert nerfstudio.UNDONE in capture.notes
    # the cube about (1, 1, 1) of half side 2, taken back
    centre = np.linalg.inv(apply) @ [1, 1, 1, 1]
    assert np.allclose(capture.ball.centre, centre[:3])
    assert capture.ball.radius == pytest.approx(1.0)


def test_points_make_the_scene_as_colmaps_do(capture_dir, edit_json):
    model = capture_dir("colmap")
    root = capture_dir("nerfstudio")
    points = read_capture(model).points
    cloud = Mesh(points, np.zeros((0, 3), np.int64))
    (root / "points.ply").write_bytes(encode_ply(cloud, double=True))
    edit_json(root / "transforms.json", lambda d: d.update(ply_file_path="points.ply"))
    assert np.allclose(load_scene(root).world_from_scene, load_scene(model).world_from_scene)


def test_points_that_do_not_exist_are_noted(capture_dir, edit_json):
    root = capture_dir("nerfstudio")
    edit_json(root / "transforms.json", lambda d: d.update(ply_file_path="none.ply"))
    assert "ply_file_path names none.ply, which does not exist" in read_capture(root).notes
