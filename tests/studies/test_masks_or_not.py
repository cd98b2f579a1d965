"""The study of masks, at a size of a moment: files, figures, verdict."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from PIL import Image

from rayfield.core.types import Rays
from rayfield.data.demo import demo_photos
from rayfield.data.load import load_scene
from rayfield.studies import masks_or_not as study
from rayfield.studies.masks_or_not import Size, examine, own_photos, within


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("masks")


@pytest.fixture(scope="module")
def findings(folder):
    found = examine(folder, Size(steps=4, downscale=8, views=2), lambda done, what: None)
    assert (folder / "figure.png").stat().st_size > 10_000
    return found


def test_both_ways_are_judged_by_the_same_masks(findings):
    assert json.loads(json.dumps(findings.numbers)) == findings.numbers
    for name in study.CASES:
        assert findings.numbers[name]["psnr_masked"] > 3
        assert 0 < findings.numbers[name]["mask_iou"] <= 1


def test_the_package_s_photos_stand_on_grey_with_their_alpha_as_masks(folder):
    root = own_photos(folder / "photos")
    with Image.open(demo_photos() / "train" / "r_0.png") as stored:
        rgba = np.array(stored)
    with Image.open(root / "masks" / "train" / "r_0.png") as mask:
        assert np.array_equal(np.array(mask), rgba[..., 3])
    with Image.open(root / "images" / "train" / "r_0.png") as image:
        assert (np.array(image)[rgba[..., 3] == 0] == study.GROUND).all()
    cut, whole = (load_scene(root, masks=use) for use in ("cut", "off"))
    assert cut.traits.bounded
    assert not whole.traits.bounded
    assert len(cut.split("test")) == len(load_scene(demo_photos()).split("test"))


def test_rays_end_where_they_leave_the_ball():
    origins = torch.tensor([[-3.0, 0, 0], [-3.0, 2, 0]])
    along = torch.tensor([[1.0, 0, 0], [1.0, 0, 0]])
    rays = Rays(origins, along, torch.full((2,), 0.1), torch.full((2,), 1e6), torch.zeros(2).long())
    part = within(rays, 0.5)
    torch.testing.assert_close(part.near[0], torch.tensor(2.5))
    torch.testing.assert_close(part.far[0], torch.tensor(3.5))
    assert part.near[1] >= part.far[1]


@pytest.mark.parametrize(
    ("name", "value"), [("with masks", 0.8), ("without masks", 0.4), ("without masks", 0.99)]
)
def test_each_part_of_the_claim_can_fail(findings, name, value):
    numbers = copy.deepcopy(findings.numbers)
    numbers["with masks"]["mask_iou"], numbers["without masks"]["mask_iou"] = 0.97, 0.9
    assert study.judge(numbers).holds
    numbers[name]["mask_iou"] = value
    assert not study.judge(numbers).holds
