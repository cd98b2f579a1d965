"""Masks from the command's option to the figures of `eval`."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

import rayfield
from rayfield.app.learned.evaluate import masked_psnr
from rayfield.app.sources.photos import scene_of
from rayfield.core.check import UsageError
from rayfield.data.load import load_scene
from rayfield.data.photo import view_image
from rayfield.data.synthetic import toy, write_scene

TINY = {"levels": 2, "entries": 1 << 10}


@pytest.fixture
def root(tmp_path):
    """A toy subject on grey ground, whose alpha became masks, named in its transforms."""
    root = tmp_path / "data"
    write_scene(root, toy(0), views={"train": 6, "test": 2}, size=32)
    for split in ("train", "test"):
        path = root / f"transforms_{split}.json"
        document = json.loads(path.read_text())
        for frame in document["frames"]:
            picture = root / (frame["file_path"].removeprefix("./") + ".png")
            with Image.open(picture) as stored:
                rgba = np.array(stored)
            mask = root / "masks" / f"{split}-{picture.name}"
            mask.parent.mkdir(exist_ok=True)
            Image.fromarray(rgba[..., 3]).save(mask)
            frame["mask_path"] = f"masks/{mask.name}"
            Image.fromarray(np.where(rgba[..., 3:] > 0, rgba[..., :3], 128).astype(np.uint8)).save(
                picture
            )
        path.write_text(json.dumps(document))
    return root


def test_the_psnr_inside_a_mask_is_that_of_its_pixels(root, generator):
    frame = load_scene(root, masks="cut").split("test")[0]
    photo = view_image(frame)[..., :3]
    noisy = (photo + 0.1 * torch.randn(photo.shape, generator=generator)).clamp(0, 1)
    kept = view_image(frame)[..., 3] > 0.5
    noisy[~kept] = 0.9  # does not count
    error = ((noisy - photo)[kept].double() ** 2).sum() / (3 * kept.sum())
    assert masked_psnr(noisy, photo, frame) == pytest.approx(-10 * float(error.log10()), abs=1e-6)


def test_pixels_of_a_mask_are_compared_over_black(root, tmp_path):
    """A field without anything in it is as wrong as the photo is bright, not as white is."""
    run = rayfield.train("instant", root, tmp_path / "run", steps=3, settings=TINY, masks="cut")
    values = []
    for frame in scene_of(run.run).split("test"):
        camera = next(found.camera for found in run.split("test") if found.name == frame.name)
        rgba, view = view_image(frame), run.view(camera)
        kept = rgba[..., 3] > 0.5
        ours = torch.from_numpy(view.color - (1 - view.opacity[..., None]))  # it is over white
        error = ((ours - rgba[..., :3] * rgba[..., 3:])[kept].double() ** 2).mean()
        values.append(-10 * float(error.log10()))
    found = run.evaluate()
    assert "over black" in found["protocol"]["psnr_masked"]
    assert found["psnr_masked"] == pytest.approx(np.mean(values), abs=1e-4)


@pytest.mark.parametrize("masks", ["cut", "off"])
def test_a_run_keeps_what_masks_were_for(root, tmp_path, masks):
    run = rayfield.train("instant", root, tmp_path / "run", steps=3, settings=TINY, masks=masks)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["data"]["masks"] == masks
    assert record["traits"]["alpha"] == (masks == "cut")
    assert {frame.mask_use for frame in scene_of(run.run).frames} == {masks}
    found = run.evaluate()
    assert found["psnr_masked"] > 0
    assert ("silhouette_iou" in found) == (masks == "cut")
    assert "mask" in found["protocol"]["psnr_masked"]


def test_masks_are_for_photos(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match="--masks is for photos"):
        rayfield.train("fourier_features", tmp_path / "a.png", tmp_path / "run", masks="cut")
