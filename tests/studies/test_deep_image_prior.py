"""The study of the prior against noise: its signals, its measures, its verdict, its figure."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rayfield.studies import deep_image_prior as study

TINY = study.Size(side=34, steps=6, width=4)


def quiet(done: float, what: str) -> None:
    assert 0 <= done <= 1


@pytest.fixture
def photo(tmp_path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_the_signals_are_what_their_names_say():
    clean = torch.rand(16, 16, 3, generator=torch.Generator().manual_seed(1))
    signals = study.make_signals(clean)
    assert torch.equal(signals["picture"], clean)
    assert torch.equal(
        signals["shuffled pixels"].flatten(0, 1).sort(dim=0).values,
        clean.flatten(0, 1).sort(dim=0).values,
    )
    assert not torch.equal(signals["shuffled pixels"], clean)
    assert (signals["noisy picture"] - clean).std().item() == pytest.approx(25 / 255, rel=0.2)
    again = study.make_signals(clean)
    assert all(torch.equal(signals[name], again[name]) for name in signals)


def test_the_middle_is_a_square_and_no_larger_than_the_picture(photo):
    assert study.middle(photo, 16).shape == (16, 16, 3)
    assert study.middle(photo, 500).shape == (40, 40, 3)
    whole = torch.from_numpy(np.array(Image.open(photo))).float() / 255
    assert torch.equal(study.middle(photo, 16), whole[12:28, 17:33])


def test_the_mean_colour_alone_leaves_all_of_the_variance():
    signal = torch.rand(8, 8, 3, generator=torch.Generator().manual_seed(0))
    error = (signal - signal.mean(dim=(0, 1))).square().mean()
    record = torch.stack([error, torch.zeros(()), torch.zeros(())])[None]
    assert study.error_left(record, signal).item() == pytest.approx(1, rel=1e-5)


def test_a_signal_is_learned_at_the_first_step_below_a_tenth():
    assert study.steps_to_learn([1.0, 0.5, 0.1, 0.2]) == 3
    assert study.steps_to_learn([1.0, 0.5]) is None


FOUND = {"noisy": 20.0, "peak": 28.0, "at_stop": 27.5, "restored": 28.5, "end": 23.0}


def numbers(found: dict, picture: int | None = 50, noise: int | None = None) -> dict:
    steps = {"picture": picture, "noisy picture": 60, "shuffled pixels": noise, "noise": noise}
    signals = {name: {"steps_to_learn": value} for name, value in steps.items()}
    return {"steps": 1000, "denoising": {**FOUND, **found}, **signals}


@pytest.mark.parametrize(
    ("values", "holds"),
    [
        (numbers({}), True),
        (numbers({}, noise=151), True),
        (numbers({}, noise=140), False),
        (numbers({}, picture=None), False),
        (numbers({"end": 27.5}), False),
        (numbers({"restored": 26.0}), False),
    ],
)
def test_the_verdict_follows_the_numbers(values, holds):
    assert study.judge(values).holds is holds


def test_the_study_runs_and_a_second_time_trains_nothing(photo, tmp_path, monkeypatch):
    folder = tmp_path / "study"
    first = study.examine(folder, TINY, photo, report=quiet)
    assert (folder / "figure.png").stat().st_size > 10_000
    json.dumps(first.numbers)
    assert len(first.numbers["denoising"]["output"]) == TINY.steps

    def no_more(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr(study.dip, "loss", no_more)
    second = study.examine(folder, TINY, photo, report=quiet)
    assert second == first


def test_without_data_the_demo_scene_is_used(tmp_path):
    tiny = study.Size(side=34, steps=2, width=4)
    found = study.examine(tmp_path / "study", tiny, None, report=quiet)
    assert found.numbers["side"] == 34
