"""Splits, order, and sentences about many pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rayfield.core.types import Camera
from rayfield.data.scene import (
    Frame,
    Remarks,
    hold_out_test,
    in_natural_order,
    shortened,
)


def frames(*names: str, split: str = "train") -> tuple[Frame, ...]:
    camera = Camera(2, 2, 1.0, 1.0, 1.0, 1.0, np.eye(4))
    return tuple(Frame(name, camera, Path(name), split) for name in names)


def test_every_eighth_of_the_sorted_names_is_held_out():
    names = [f"{i}.jpg" for i in range(30)]
    split, note = hold_out_test(frames(*names))
    held = {frame.name for frame in split if frame.split == "test"}
    assert held == set(sorted(names)[::8])
    assert {frame.name for frame in split} == set(names)
    assert note == "4 of 30 images held out for test (every 8th by name)"


@pytest.mark.parametrize(("count", "held"), [(1, 0), (2, 0), (3, 1), (7, 1), (8, 1), (9, 2)])
def test_small_sets_hold_out_one_from_three_pictures_on(count, held):
    split, _ = hold_out_test(frames(*(f"{i}" for i in range(count))))
    assert sum(frame.split == "test" for frame in split) == held


def test_published_test_pictures_are_kept_as_published():
    published = frames("a", "b", "c") + frames("d", split="test")
    assert hold_out_test(published) == (published, None)


def test_validation_pictures_stand_in_for_test_pictures_and_nothing_is_held_out():
    published = frames(*"abc") + frames("d", "e", split="val")
    split, note = hold_out_test(published)
    assert [frame.split for frame in split] == ["train"] * 3 + ["test"] * 2
    assert note == "no test images: the 2 published for validation are used"


def test_frames_come_in_the_order_of_their_numbers():
    ordered = in_natural_order(frames("img10", "img9", "img1", "a2b10", "a2b9"))
    assert [frame.name for frame in ordered] == ["a2b9", "a2b10", "img1", "img9", "img10"]


def test_remarks_become_one_sentence_each():
    remarks = Remarks()
    for name in "abcdefg":
        remarks.add("do not exist", name)
    remarks.add("are odd", "z")
    assert remarks.sentences(9) == (
        "7 of 9 listed images do not exist: a, b, c, d, e ...",
        "1 of 9 listed images are odd: z",
    )


def test_names_are_made_fit_for_a_terminal():
    assert shortened(["a\x1b[31m", "b\nc", "日本"]) == "a?[31m, b?c, 日本"
