"""The ball of the subject that formats want which name one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rayfield.data.detect import read_capture
from rayfield.data.scene import Ball
from rayfield.data.subject import find_subject
from rayfield.data.synthetic import Solid, write_scene

BOX = Solid(False, (0.3, -0.2, 0.1), (0.6, 0.4, 0.3), (0.8, 0.3, 0.2))


@pytest.fixture
def cut_out(tmp_path):
    write_scene(tmp_path, (BOX,), views={"train": 12}, size=48)
    return read_capture(tmp_path)


def test_the_ball_that_files_name_is_taken(capture_dir):
    capture = read_capture(capture_dir("colmap"))
    ball = Ball(np.array([1.0, 2.0, 3.0]), 0.5)
    assert find_subject(replace(capture, ball=ball)).ball is ball


def test_a_cut_out_subject_is_in_a_ball_hardly_larger_than_itself(cut_out):
    ball, cut, reach = find_subject(cut_out)
    corners = np.array([[x, y, z] for x in (-0.6, 0.6) for y in (-0.4, 0.4) for z in (-0.3, 0.3)])
    away = np.linalg.norm(corners + BOX.centre - ball.centre, axis=1)
    assert cut
    assert (away < ball.radius).all()
    assert ball.radius < 1.5 * np.linalg.norm(BOX.half)
    assert reach == pytest.approx(4.0, abs=0.5)


def test_of_a_whole_scene_the_ball_is_what_the_cameras_look_at(capture_dir):
    capture = read_capture(capture_dir("colmap"))
    ball, cut, reach = find_subject(capture)
    assert not cut
    assert np.linalg.norm(ball.centre - (1, 2, 3)) < 0.8
    assert ball.radius < reach < 6
