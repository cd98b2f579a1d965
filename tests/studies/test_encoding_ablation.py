"""The study of mappings, at a size that takes a moment."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from rayfield.core.check import DataError
from rayfield.data.picture import read_picture
from rayfield.studies import encoding_ablation as study
from rayfield.studies.encoding_ablation import Size, Variant


def picture_of(path, side=24):
    row, column = np.mgrid[0:side, 0 : side + 4]
    pixels = 127 + 120 * np.sin(row / 2.0) * np.cos(column / 3.0)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def test_the_middle_square_is_cut_out(tmp_path):
    picture = read_picture(picture_of(tmp_path / "a.png"))
    cut = study.middle(picture, 8)
    assert torch.equal(cut.values, picture.values[8:16, 10:18])
    assert cut.traits == (8, 8, 1)
    with pytest.raises(DataError, match="at least 64x64"):
        study.middle(picture, 64)


def test_pictures_are_found_in_a_folder_kodaks_first(tmp_path):
    for name in ("astronaut", "kodim03", "camera"):
        picture_of(tmp_path / f"{name}.png")
    assert [p.stem for p in study.find_pictures(tmp_path)] == ["camera", "kodim03"]
    alone = tmp_path / "astronaut.png"
    assert study.find_pictures(alone) == [alone]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no pictures"):
        study.find_pictures(tmp_path / "empty")


def test_the_best_variant_of_each_mapping_is_that_of_held_out_pixels():
    found = {v.label: {"train": 50.0, "test": 10.0 + i} for i, v in enumerate(study.VARIANTS)}
    found["gaussian 8"]["test"] = 90.0
    best = study.best_of(found)
    top = f"positional {study.TOP_BANDS[-1]}"
    assert best == {
        "none": "none", "basic": "basic", "positional": top, "gaussian": "gaussian 8",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("row", "holds"),
    [((19, 21, 25, 25.5), True), ((19, 21, 25, 24.9), False), ((21, 19, 25, 26), False)],
)
def test_the_verdict_asks_for_the_order_on_every_picture(row, holds):
    good = dict(zip(study.MAPPINGS, (10.0, 11.0, 12.0, 12.0), strict=True))
    numbers = {
        "best_test_psnr": {"a": good, "b": dict(zip(study.MAPPINGS, map(float, row), strict=True))}
    }
    assert study.judge(numbers).holds is holds


def test_a_variant_is_named_by_mapping_and_scale():
    assert Variant("gaussian", 8).label == "gaussian 8"
    assert Variant("none").label == "none"


def test_the_study_writes_its_figure_and_resumes(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "SCALES", (1, 8))
    variants = [v for v in study.VARIANTS if v.scale in (0, 1, 4, 8)]
    monkeypatch.setattr(study, "VARIANTS", variants)
    picture_of(tmp_path / "a.png")
    size = Size(side=16, width=8, features=8, batch=64, steps=20)
    told = []

    def run():
        return study.examine(
            tmp_path / "out", size, data=tmp_path / "a.png", report=lambda d, _: told.append(d)
        )

    found = run()
    assert (tmp_path / "out" / "figure.png").stat().st_size > 10_000
    json.dumps(found.numbers)
    assert set(found.numbers["psnr"]["a"]) == {v.label for v in variants}
    assert told == sorted(told)
    assert run().numbers == found.numbers
