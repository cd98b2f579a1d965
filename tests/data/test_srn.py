"""SRN's and NSVF's rgb/, pose/ and intrinsics.txt."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from rayfield.core.check import DataError
from rayfield.data.detect import holds_scene, read_capture
from rayfield.data.load import load_scene
from rayfield.data.scenes import load_scenes

FILES = ["intrinsics.txt", "pose/000003.txt", "bbox.txt"]
INTRINSICS = "60.0 25.0 15.0 0.\n0. 0. 0.\n1.\n32 48\n"  # of pictures twice as large


@pytest.fixture
def cameras(make_ring):
    return make_ring(9, lens=())


def write(root, cameras, *, prefix=lambda i: ""):
    """The cameras in this form; poses on one line, as SRN writes them."""
    rng = np.random.default_rng(0)
    for folder in ("rgb", "pose"):
        (root / folder).mkdir(parents=True)
    for i, camera in enumerate(cameras.values()):
        pixels = rng.integers(0, 256, (16, 24, 3), dtype=np.uint8)
        name = f"{prefix(i)}{i:06d}"
        Image.fromarray(pixels).save(root / "rgb" / f"{name}.png")
        numbers = " ".join(repr(float(x)) for x in camera.pose.reshape(-1))
        (root / "pose" / f"{name}.txt").write_text(numbers + "\n")
    (root / "intrinsics.txt").write_text(INTRINSICS)


@pytest.fixture
def root(tmp_path, cameras):
    write(tmp_path / "data", cameras)
    return tmp_path / "data"


def test_poses_and_the_lens_are_read_and_fitted_to_the_pictures(root, cameras):
    capture = read_capture(root)
    assert capture.format == "srn"
    for frame, camera in zip(capture.frames, cameras.values(), strict=True):
        assert np.allclose(frame.camera.pose, camera.pose, atol=1e-12)
        lens = frame.camera
        assert (lens.width, lens.height, lens.fx, lens.fy) == (24, 16, 30.0, 30.0)
        assert (lens.cx, lens.cy) == (12.5, 7.5)
    assert "rescaled" in capture.notes[0]


def test_a_matrix_is_in_pixels_of_the_pictures(root):
    matrix = "30 0 12.5 0\n0 31 7.5 0\n0 0 1 0\n0 0 0 1\n"
    (root / "intrinsics.txt").write_text(matrix)
    lens = read_capture(root).frames[0].camera
    assert (lens.fx, lens.fy, lens.cx, lens.cy) == (30.0, 31.0, 12.5, 7.5)


def test_poses_of_four_lines_are_read(root, cameras):
    for path, camera in zip(sorted((root / "pose").iterdir()), cameras.values(), strict=True):
        np.savetxt(path, camera.pose)
    first = read_capture(root).frames[0]
    assert np.allclose(first.camera.pose, next(iter(cameras.values())).pose, atol=1e-12)


def test_names_that_begin_with_a_digit_give_the_split(tmp_path, cameras):
    write(tmp_path / "a", cameras, prefix=lambda i: f"{min(i // 3, 2)}_")
    scene = load_scene(tmp_path / "a")
    assert [len(scene.split(s)) for s in ("train", "val", "test")] == [3, 3, 3]
    write(tmp_path / "b", cameras, prefix=lambda i: "0_")
    assert len(load_scene(tmp_path / "b").split("test")) == 2  # every 8th


def test_the_box_about_the_subject_becomes_its_ball(root):
    (root / "bbox.txt").write_text("-1 -1 0 1 3 2 0.1\n")
    ball = read_capture(root).ball
    assert ball is not None
    assert ball.centre.tolist() == [0.0, 1.0, 1.0]
    assert ball.radius == 2.0


def test_a_picture_without_pose_is_noted(root):
    (root / "pose" / "000004.txt").unlink()
    capture = read_capture(root)
    assert len(capture.frames) == 8
    assert "1 of 9 listed images have no pose (not used): rgb/000004.png" in capture.notes


def test_a_folder_of_such_scenes_is_a_class(tmp_path, cameras):
    for name in ("a", "b"):
        write(tmp_path / name, cameras)
    assert not holds_scene(tmp_path)
    assert load_scenes(tmp_path).names == ("a", "b")


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("intrinsics.txt", "", r"has rows of \[\] numbers"),
        (
            "intrinsics.txt",
            "1 2\n3\n",
            r"neither focal length, centre \.\.\. and size, nor a matrix",
        ),
        ("intrinsics.txt", "60 x 15 0\n32 48\n", "holds 'x', which is no number"),
        ("intrinsics.txt", "nan 25 15 0\n32 48\n", "holds NaN or infinity"),
        ("intrinsics.txt", "-60 25 15 0\n32 48\n", "fx -60, fy -60, 48x32 pixels are no camera"),
        ("intrinsics.txt", "60 25 15 0\n32 1e30\n", "pixels are no camera"),
        ("intrinsics.txt", "30 9 12 0\n0 30 8 0\n0 0 1 0\n0 0 0 1\n", "has skewed pixels"),
        ("intrinsics.txt", "60 25 15 0\n48 32\n", "but its camera is 32x48"),
        ("pose/000003.txt", "1 2 3\n", "holds 3 numbers where a pose has 16"),
        ("pose/000003.txt", "\x00\n", "which is no number"),
        ("pose/000003.txt", "1 0 0 0 0 1 0 0 0 0 1 0 0 0 1 1", "its last row is not 0 0 0 1"),
        ("pose/000003.txt", "1 0 0 0 0 1 0 0 0 0 9 0 0 0 0 1", "the rotation is not orthonormal"),
        ("pose/000003.txt", "1 0 0 0 0 1 0 0 0 0 -1 0 0 0 0 1", "the pose is mirrored"),
        ("bbox.txt", "1 1 1 0 0 0", "is not a box"),
        ("bbox.txt", "1 1", "is not a box"),
    ],
)
def test_what_cannot_be_is_refused(file, text, says, root):
    (root / file).write_text(text)
    with pytest.raises(DataError, match=says) as error:
        load_scene(root)
    assert "\n" not in str(error.value)
    assert str(root) in str(error.value)


def test_no_poses_at_all_are_refused(root):
    for path in (root / "pose").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="9 pictures, none of them with a pose"):
        load_scene(root)


def test_bytes_are_no_numbers(root):
    (root / "intrinsics.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not text"):
        load_scene(root)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.text(alphabet="0123456789.-+e \n\tnaif", max_size=120), file=st.sampled_from(FILES))
def test_any_text_is_read_or_refused(text, file, root):
    before = (root / file).read_text() if (root / file).exists() else None
    (root / file).write_text(text)
    with contextlib.suppress(DataError):
        read_capture(root)
    if before is None:
        (root / file).unlink()
    else:
        (root / file).write_text(before)
