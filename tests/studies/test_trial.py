"""Trials: trained, found again, resumed, and not taken for another."""

from __future__ import annotations

import dataclasses
import signal

import pytest
import torch

from rayfield.core.check import UsageError
from rayfield.data.pixels import PixelSampler
from rayfield.methods import instant_ngp
from rayfield.studies.trial import fingerprint, trial
from rayfield.studies.views import subset
from rayfield.train.interrupt import Interrupted

CFG = instant_ngp.Config(entries=1 << 10, levels=2, width=16, occupancy=16, samples=1 << 10)


@pytest.fixture(scope="module")
def sampler(scene):
    return PixelSampler(scene)


def same(a, b) -> bool:
    others = b.state_dict()
    return all(torch.equal(tensor, others[name]) for name, tensor in a.state_dict().items())


def test_a_finished_trial_is_found_again_without_training(tmp_path, sampler):
    told = []
    first = trial(
        tmp_path / "a", instant_ngp, CFG, sampler=sampler, steps=4,
        report=lambda done, what: told.append((done, what)),
    )  # fmt: skip
    assert told[-1][0] == 1.0
    assert told[-1][1].startswith("a: step 4")
    count = len(told)
    again = trial(
        tmp_path / "a", instant_ngp, CFG, sampler=sampler, steps=4,
        report=lambda done, what: told.append((done, what)),
    )  # fmt: skip
    assert len(told) == count
    assert same(first, again)
    assert not again.training


def test_a_stopped_trial_ends_as_one_that_was_not(tmp_path, sampler):
    def impatient(done: float, what: str) -> None:
        signal.raise_signal(signal.SIGINT)

    whole = trial(tmp_path / "whole", instant_ngp, CFG, sampler=sampler, steps=6)
    with pytest.raises(Interrupted):
        trial(tmp_path / "stopped", instant_ngp, CFG, sampler=sampler, steps=6, report=impatient)
    assert same(whole, trial(tmp_path / "stopped", instant_ngp, CFG, sampler=sampler, steps=6))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cfg": dataclasses.replace(CFG, width=32)}, "config"),
        ({"steps": 5}, "budget"),
        ({"seed": 1}, "seed"),
    ],
)
def test_another_trial_in_the_folder_is_refused(tmp_path, sampler, change, said):
    trial(tmp_path, instant_ngp, CFG, sampler=sampler, steps=2)
    cfg = change.pop("cfg", CFG)
    with pytest.raises(UsageError, match=f"a trial with another {said}; choose another folder"):
        trial(tmp_path, instant_ngp, cfg, sampler=sampler, **{"steps": 2, **change})


def test_other_photos_are_noticed(tmp_path, scene, sampler):
    fewer = PixelSampler(subset(scene, {f.name for f in scene.split("train")[:9]}))
    assert fingerprint(fewer) != fingerprint(sampler) == fingerprint(PixelSampler(scene))
    trial(tmp_path, instant_ngp, CFG, sampler=sampler, steps=2)
    with pytest.raises(UsageError, match="another data"):
        trial(tmp_path, instant_ngp, CFG, sampler=fewer, steps=2)
