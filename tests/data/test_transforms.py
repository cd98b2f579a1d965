"""transforms.json: intrinsics, their priority, names of files, poses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rayfield.core.check import DataError
from rayfield.data.detect import read_capture


def first_camera(root):
    return read_capture(root).frames[0].camera


def without(*keys):
    def change(document):
        for key in keys:
            document.pop(key, None)

    return change


@pytest.fixture
def ngp(capture_dir, edit_json):
    """A folder in ngp's form and an editor of its JSON."""
    root = capture_dir("ngp")
    return root, lambda change: edit_json(root / "transforms.json", change)


def test_a_frames_own_intrinsics_go_before_those_of_the_file(ngp):
    root, edit = ngp
    edit(lambda d: d["frames"][0].update(fl_x=99.0, cx=3.0))
    camera = first_camera(root)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (99.0, 31.0, 3.0, 7.5)


def test_focal_lengths_go_before_angles_and_angles_make_focal_lengths(ngp):
    root, edit = ngp
    edit(lambda d: d.update(camera_angle_x=1.0, camera_angle_y=0.8))
    assert first_camera(root).fx == 30.0
    edit(without("fl_x", "fl_y"))
    camera = first_camera(root)
    assert camera.fx == pytest.approx(12 / math.tan(0.5))
    assert camera.fy == pytest.approx(8 / math.tan(0.4))


def test_fields_of_view_in_degrees_are_read(ngp):
    root, edit = ngp
    edit(without("fl_x", "fl_y"))
    edit(lambda d: d.update(x_fov=90.0))
    assert first_camera(root).fx == pytest.approx(12)


def test_one_focal_length_serves_both_axes_and_the_centre_is_the_middle(ngp):
    root, edit = ngp
    edit(without("fl_y", "cx", "cy", "w", "h"))
    camera = first_camera(root)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (30.0, 30.0, 12.0, 8.0)


def test_a_packed_list_of_distortion_is_in_nerfstudios_order(ngp):
    root, edit = ngp
    edit(without("k1", "k2", "p1", "p2"))
    edit(lambda d: d.update(distortion_params=[0.1, 0.02, 0.003, 0.0004, 0.001, 0.002]))
    expected = (0.1, 0.02, 0.001, 0.002, 0.003, 0.0, 0.0, 0.0, 0.0004)
    assert first_camera(root).distortion == expected


def test_k4_alone_is_not_lost_and_is_that_of_the_eighth_power(ngp):
    root, edit = ngp
    edit(without("k1", "k2", "p1", "p2"))
    edit(lambda d: d.update(k4=0.01))
    assert first_camera(root).distortion == (*[0.0] * 8, 0.01)


@pytest.mark.parametrize("says", [{"camera_model": "FULL_OPENCV"}, {"k5": 0.02}])
def test_k4_of_the_rational_model_is_in_its_denominator(ngp, says):
    root, edit = ngp
    edit(lambda d: d.update(k4=0.01, **says))
    assert first_camera(root).distortion[5:8] == (0.01, says.get("k5", 0.0), 0.0)


@pytest.mark.parametrize("says", [{"camera_model": "OPENCV_FISHEYE"}, {"is_fisheye": True}])
def test_fisheyes_are_read_with_their_four_coefficients(ngp, says):
    root, edit = ngp
    edit(without("p1", "p2"))
    edit(lambda d: d.update(k1=0.05, k2=0.01, k3=0.002, k4=-0.001, **says))
    camera = first_camera(root)
    assert (camera.lens, camera.distortion) == ("fisheye", (0.05, 0.01, 0.002, -0.001))


def test_a_packed_list_of_a_fisheye_begins_with_its_coefficients(ngp):
    root, edit = ngp
    edit(without("k1", "k2", "p1", "p2"))
    edit(lambda d: d.update(camera_model="OPENCV_FISHEYE", distortion_params=[0.1, 0.02, 0.003]))
    assert first_camera(root).distortion == (0.1, 0.02, 0.003, 0.0)


def test_every_frame_may_have_a_lens_of_its_own(ngp):
    root, edit = ngp
    edit(lambda d: d["frames"][0].update(camera_model="OPENCV_FISHEYE", k1=0.03))
    first, second = read_capture(root).frames[:2]
    assert (first.camera.lens, first.camera.distortion[0]) == ("fisheye", 0.03)
    assert (second.camera.lens, second.camera.distortion[0]) == ("perspective", 0.05)


def test_an_angle_of_a_frame_goes_before_a_focal_length_of_the_file(ngp):
    root, edit = ngp
    edit(lambda d: d["frames"][0].update(camera_angle_x=1.0))
    first, second = read_capture(root).frames[:2]
    assert first.camera.fx == pytest.approx(12 / math.tan(0.5))
    assert second.camera.fx == 30.0


@pytest.mark.parametrize(
    "spelling", ["./images/img0.png", "images\\img0.png", "images/img0", ".\\images\\.\\img0"]
)
def test_spellings_of_a_file_name_find_the_same_picture(ngp, spelling):
    root, edit = ngp
    edit(lambda d: d["frames"][0].update(file_path=spelling))
    assert read_capture(root).frames[0].name == "images/img0.png"


def test_poses_without_last_row_are_read(ngp):
    root, edit = ngp
    before = first_camera(root).pose
    edit(lambda d: d["frames"][0]["transform_matrix"].pop())
    assert np.array_equal(first_camera(root).pose, before)


def test_a_slightly_crooked_rotation_is_mended_and_noted(ngp):
    root, edit = ngp
    before = first_camera(root).pose

    def bend(document):
        document["frames"][0]["transform_matrix"][0][0] += 3e-4

    edit(bend)
    capture = read_capture(root)
    rotation = capture.frames[0].camera.pose[:3, :3]
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.allclose(rotation, before[:3, :3], atol=5e-4)
    assert any("1 of 11 listed images had rotations" in note for note in capture.notes)


def test_a_uniform_scale_is_divided_out_of_the_rotation_only(ngp):
    root, edit = ngp
    before = first_camera(root).pose

    def enlarge(document):
        for row in document["frames"][0]["transform_matrix"][:3]:
            row[:3] = [2.5 * x for x in row[:3]]

    edit(enlarge)
    capture = read_capture(root)
    assert np.allclose(capture.frames[0].camera.pose, before, atol=1e-12)
    assert any("uniform scale" in note for note in capture.notes)


def test_intrinsics_of_another_size_are_rescaled_with_a_note(ngp):
    root, edit = ngp
    edit(lambda d: d.update(w=72, h=48, fl_x=90, fl_y=93, cx=37.5, cy=22.5))
    capture = read_capture(root)
    camera = capture.frames[0].camera
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (30.0, 31.0, 12.5, 7.5)
    assert any("24x16 for intrinsics of 72x48" in note for note in capture.notes)


def test_a_picture_listed_twice_is_taken_once(ngp):
    root, edit = ngp
    edit(lambda d: d["frames"].append(d["frames"][0]))
    capture = read_capture(root)
    assert len(capture.frames) == 11
    assert any("listed twice" in note for note in capture.notes)


def test_a_picture_with_two_poses_is_refused(ngp):
    root, edit = ngp
    edit(lambda d: d["frames"].append({**d["frames"][0], **pose_of(d["frames"][1])}))
    with pytest.raises(DataError, match="twice with different poses"):
        read_capture(root)


def test_keys_that_are_not_known_are_told_once(ngp):
    root, edit = ngp
    edit(lambda d: d.update(fl_X=30.0, cameraAngle=1, aabb_scale=16, offset=[0, 0, 0]))
    edit(lambda d: [frame.update(sharpness=30.0, weather="fair") for frame in d["frames"]])
    assert read_capture(root).notes == (
        "keys that are not known and not used: cameraAngle, fl_X, weather",
    )


def test_what_other_programs_would_do_to_pictures_or_poses_is_told(ngp):
    root, edit = ngp
    edit(lambda d: d.update(white_transparent=True, black_transparent=False))
    edit(lambda d: d["frames"][2].update(rolling_shutter=[0, 0, 1, 0]))
    assert read_capture(root).notes == (
        "left aside, pictures and poses are taken as they are: rolling_shutter, white_transparent",
    )


def pose_of(frame):
    return {"transform_matrix": frame["transform_matrix"]}
