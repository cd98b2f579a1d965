"""Photos of a scene and the fields learned from them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from rayfield.core.check import DataError
from rayfield.core.types import Rendered
from rayfield.data.photo import view_image
from rayfield.studies import views


def test_a_subset_learns_from_its_photos_only_and_keeps_the_others(scene):
    names = {f.name for f in scene.split("train")[::8]}
    found = views.subset(scene, names)
    assert {f.name for f in found.split("train")} == names
    assert found.traits.images == len(names) == 9
    assert found.split("test") == scene.split("test")
    assert len(found.frames) == len(scene.frames)
    assert {f.name for f in found.split("val")} == {f.name for f in scene.split("train")} - names


def test_a_scene_without_held_out_photos_is_refused(scene):
    bare = replace(scene, frames=scene.split("train"))
    with pytest.raises(DataError, match="has no test images"):
        views.held_out_photos(bare)


def test_a_photo_lies_over_white(scene):
    frame = scene.split("test")[0]
    rgba, shown = view_image(frame), views.photo(scene, frame)
    assert torch.all(shown[rgba[..., 3] == 0] == 1)
    opaque = rgba[..., 3] == 1
    assert torch.equal(shown[opaque], rgba[opaque][:, :3])


def test_a_score_is_that_of_the_picture_shown(scene):
    frame = scene.split("test")[0]
    truth = views.photo(scene, frame)

    def render(rays) -> Rendered:
        zero = torch.zeros(len(rays.near))
        color = truth.reshape(-1, 3) * 0 + 0.5
        return Rendered(color, zero, zero, zero.long(), zero)

    found = views.score(render, scene, frame)
    assert found.name == frame.name
    expected = -10 * math.log10(float((truth - 0.5).double().square().mean()))
    assert found.psnr == pytest.approx(expected, abs=1e-6)
    assert found.picture.shape == truth.shape


def test_a_field_learned_for_a_moment_beats_a_white_page(scene, field):
    frame = scene.split("test")[0]
    white = -10 * math.log10(float((views.photo(scene, frame) - 1).square().mean()))
    assert views.score(field.render, scene, frame).psnr > white + 2
