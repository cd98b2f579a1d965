"""The glossy pixels of the demo scene."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rayfield.studies.glossy import GLOSSY, glossy, glossy_psnr, is_demo, within
from rayfield.studies.views import Score, load, photo


def test_only_the_scene_of_the_package_has_known_parts(scene):
    assert is_demo(scene)
    assert not is_demo(replace(scene, root=Path("elsewhere")))


def test_points_are_within_when_one_box_holds_them():
    low, high = np.array(GLOSSY["vase"])
    inside = within(np.stack([(low + high) / 2, high + 0.01, [0.0, -0.8, -0.36]]))
    assert inside.tolist() == [True, False, False]  # the last: stone, below the ball


@pytest.mark.parametrize("number", [0, 9])
def test_glossy_pixels_have_few_colours_and_none_of_the_background(scene, number):
    """The four things are yellow, turquoise, blue and copper: none is green, white or pale."""
    frame = scene.split("test")[number]
    shown = glossy(scene, frame)
    assert 0.02 < float(shown.float().mean()) < 0.25
    colours = photo(scene, frame)[shown]
    assert float((colours.amax(1) - colours.amin(1) > 0.15).float().mean()) > 0.9


def test_smaller_photos_keep_the_pixels_that_are_glossy_all_over():
    whole, small = (load(None, downscale=n) for n in (1, 4))
    fine, coarse = (glossy(s, s.split("test")[4]) for s in (whole, small))
    blocks = fine.view(50, 4, 50, 4).all(dim=3).all(dim=1)
    assert torch.equal(coarse, blocks)


def test_errors_elsewhere_do_not_count(scene):
    frame = scene.split("test")[2]
    shown, truth = glossy(scene, frame), photo(scene, frame)
    wrong = torch.where(shown[..., None], truth, 1 - truth)
    off = torch.where(shown[..., None], (truth - 0.1).clamp_min(0), wrong)
    exact = Score(frame.name, 0.0, 0.0, wrong)
    assert glossy_psnr(scene, [exact]) == float("inf")
    assert glossy_psnr(scene, [exact._replace(picture=off)]) == pytest.approx(20, abs=1)
