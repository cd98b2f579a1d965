"""instant-ngp's form."""

from __future__ import annotations

from rayfield.data import ngp


def test_all_frames_are_training_frames_until_some_are_held_out(capture_dir):
    root = capture_dir("ngp")
    capture = ngp.read(root, root / "transforms.json")
    assert {frame.split for frame in capture.frames} == {"train"}
    assert capture.notes == ()


def test_the_box_of_the_subject_is_read(capture_dir, edit_json):
    root = capture_dir("ngp")
    box = [[0.0, 1.0, 2.0], [2.0, 3.0, 3.0]]
    edit_json(root / "transforms.json", lambda d: d.update(aabb=box))
    ball = ngp.read(root, root / "transforms.json").ball
    assert ball is not None
    assert ball.centre.tolist() == [1.0, 2.0, 2.5]
    assert ball.radius == 1.0


def test_frames_may_say_their_split_and_their_depths(capture_dir, edit_json):
    root = capture_dir("ngp")

    def change(document):
        document["frames"][3].update(split="test", near=1.5, far=9)
        document["frames"][4].update(split="other")

    edit_json(root / "transforms.json", change)
    capture = ngp.read(root, root / "transforms.json")
    assert [f.name for f in capture.frames if f.split == "test"] == ["images/img3.png"]
    assert capture.frames[3].bounds == (1.5, 9.0)
    assert capture.nearest == 1.5
