"""Fields that show nothing begin anew, always the same way; those that show something do not."""

from __future__ import annotations

import functools
import signal
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from rayfield.core.types import Rendered
from rayfield.train import collapse
from rayfield.train.checkpoint import load_latest
from rayfield.train.collapse import LOOKS, RESTARTS, CollapseError, is_blank
from rayfield.train.interrupt import Interrupted
from rayfield.train.log import read_log

STEPS = 250


def dense(toy: ModuleType, dead: set[int]):
    """The toy with an opacity behind a ReLU, which the weights of some seeds do not pass."""

    class Model(nn.Module):
        def __init__(self, generator: torch.Generator) -> None:
            super().__init__()
            self.color = toy.Model(toy.Config(), generator)
            value = -0.5 if generator.initial_seed() in dead else 0.5
            self.gate = nn.Parameter(torch.tensor(value))
            self.register_buffer("rays", torch.tensor(16))

    class Method(toy.Method):
        def build(self, cfg, *, generator):
            return Model(generator)

        def density(self, model):
            return lambda points: torch.relu(model.gate).expand(len(points))

        def render(self, model, rays, cfg, *, background):
            opacity = torch.relu(model.gate).clamp(max=1).expand(len(rays.origins), 1)
            color = model.color(rays.origins) * opacity + background * (1 - opacity)
            return Rendered(color, opacity[:, 0], opacity[:, 0], torch.ones(len(color)).long())

        def loss(self, model, batch, cfg, step, *, generator):
            steps.append(step)
            seen = self.render(model, batch.rays, cfg, background=torch.ones(3))
            return {"mse": (seen.color - batch.rgba[:, :3]).square().mean()}

    steps: list[int] = []
    method = Method()
    method.steps = steps
    return method


def stop_at(toy: ModuleType, step: int):
    """Hooks that press Ctrl-C after a step."""
    press = functools.partial(signal.raise_signal, signal.SIGINT)
    return toy.Hooks(preview_at=lambda done, _: done == step, preview=lambda *_: press())


def train(toy: ModuleType, run, method, **words):
    """Train in `run`, from where it is, with the weights of the seed of its record."""
    seed = run.record["seed"]
    model = method.build(toy.Config(), generator=torch.Generator().manual_seed(seed))
    parts = {"method": method, "model": model}
    return toy.train(run, steps=STEPS, parts=parts, **words)


def restarts(run) -> list[tuple[int, int]]:
    return [(row["step"], row["seed"]) for row in read_log(run.log) if "restarted" in row]


def test_blank_is_one_colour_where_photos_have_several(generator):
    photos = torch.rand(64, 3, generator=generator)
    for value in (0.0, 0.37, 1.0):
        assert is_blank(torch.full((64, 3), value), photos)
        assert not is_blank(torch.full((64, 3), value), torch.full((64, 3), 0.2))
    assert not is_blank(photos, photos)
    faint = torch.full((64, 3), 0.5)
    faint[:32, 1] += 0.002  # less than a step of a byte
    assert not is_blank(faint, photos)


def test_a_field_that_starts_dead_begins_anew_with_the_next_seed(
    tmp_path: Path, toy: ModuleType, caplog
):
    run, method = toy.new_run(tmp_path / "run"), dense(toy, dead={1})
    outcome, model, optimiser = train(toy, run, method)
    assert restarts(run) == [(LOOKS[0], 2)]
    assert "step 100: the field shows one colour everywhere" in caplog.text
    assert outcome.step == STEPS
    assert method.steps == [*range(100), *range(150)]  # what begins anew warms up anew
    assert optimiser.steps == 150
    assert model.gate > 0
    state = load_latest(run).state
    assert (state["born"], state["restarts"]) == (100, 1)


def test_a_field_that_shows_something_is_let_be(tmp_path: Path, toy: ModuleType):
    run, method = toy.new_run(tmp_path / "run"), dense(toy, dead=set())
    train(toy, run, method)
    assert restarts(run) == []
    assert method.steps == [*range(STEPS)]


@pytest.mark.parametrize("stop", [60, 100, 101, 230])
def test_stopped_around_a_new_beginning_it_ends_with_the_same_bits(
    tmp_path: Path, toy: ModuleType, stop: int
):
    whole = train(toy, toy.new_run(tmp_path / "whole"), dense(toy, dead={1, 2}))
    run = toy.new_run(tmp_path / "run")
    with pytest.raises(Interrupted):
        train(toy, run, dense(toy, dead={1, 2}), hooks=stop_at(toy, stop))
    resumed = train(toy, run, dense(toy, dead={1, 2}))
    assert restarts(run) == [(100, 2), (200, 3)]
    assert toy.digest(*resumed[1:]) == toy.digest(*whole[1:])


def test_after_a_few_beginnings_it_stops_in_one_line(tmp_path: Path, toy: ModuleType, monkeypatch):
    monkeypatch.setattr(collapse, "LOOKS", (10,))
    run = toy.new_run(tmp_path / "run")
    with pytest.raises(CollapseError, match="seeds 1, 2, 3, 4; try a lower learning rate") as error:
        train(toy, run, dense(toy, dead={1, 2, 3, 4}))
    assert "\n" not in str(error.value)
    assert len(restarts(run)) == RESTARTS
