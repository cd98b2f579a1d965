"""instant-ngp's form."""

from __future__ import annotations

from rayfield.data import ngp


def test_all_frames_are_training_frames_until_some_are_held_out(capture_dir):
    capture = ngp.read(capture_dir("ngp"))
    assert {frame.split for frame in capture.frames} == {"train"}
    assert capture.notes == ()
