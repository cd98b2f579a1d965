"""The training loop: exact resuming, bad steps, budgets, requests to stop."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from rayfield.core.check import DataError
from rayfield.train import guard
from rayfield.train.checkpoint import load_latest, save
from rayfield.train.guard import DivergenceError
from rayfield.train.interrupt import Interrupted
from rayfield.train.log import read_log
from rayfield.train.loop import restore, step_seed
from rayfield.train.optim import Adam
from rayfield.train.progress import Hooks, State


def signal_at(step: int, number: int = signal.SIGINT) -> Hooks:
    return Hooks(
        preview_at=lambda done, _: done == step,
        preview=lambda *_: os.kill(os.getpid(), number),
    )


def faulty(toy: ModuleType, steps: range, fault: Any) -> Any:
    """The toy's method with `fault(model, terms)` applied in some steps."""

    class Faulty(toy.Method):
        def loss(self, model, batch, cfg, step, *, generator):
            terms = super().loss(model, batch, cfg, step, generator=generator)
            return fault(model, terms) if step in steps else terms

    return Faulty()


def nan_loss(model: Any, terms: dict) -> dict:
    return terms | {"weights": terms["weights"] * math.nan}


def nan_gradient(model: Any, terms: dict) -> dict:
    x = model.first.weight
    # sqrt has an infinite slope at 0, and 0 * inf is NaN: a finite loss, a bad gradient
    return terms | {"cusp": torch.sqrt(0.0 * x).sum()}


def weights(model: Any) -> list:
    return [parameter.detach().clone() for parameter in model.parameters()]


def test_loss_falls(tmp_path: Path, toy: ModuleType):
    toy.train(toy.new_run(tmp_path / "run"), steps=300)
    records = read_log(tmp_path / "run" / "log.jsonl")
    assert records[-1]["terms"]["mse"] < 0.1 * records[0]["terms"]["mse"]


@pytest.mark.parametrize("stops", [[1], [29], [7, 8, 20]])
def test_stopped_and_resumed_training_equals_the_uninterrupted_one_bit_for_bit(
    tmp_path: Path, toy: ModuleType, stops: list[int]
):
    outcome, *whole = toy.train(toy.new_run(tmp_path / "whole"))
    run = toy.new_run(tmp_path / "run")
    for stop in stops:
        with pytest.raises(Interrupted):
            toy.train(run, hooks=signal_at(stop))
        assert load_latest(run).step == stop
    resumed, *parts = toy.train(run)
    assert resumed.step == outcome.step == 30
    assert toy.digest(*parts) == toy.digest(*whole)


def test_resuming_is_exact_with_the_compiled_optimiser_too(tmp_path: Path, toy: ModuleType):
    def train(run: Any, **options: Any) -> dict:
        cfg = toy.Config()
        model = toy.Model(cfg, torch.Generator().manual_seed(1))
        group = {"params": list(model.parameters()), "lr": 1e-2, "betas": (0.9, 0.99), "eps": 1e-8}
        optimiser = Adam([group])
        toy.train(run, parts={"model": model, "optimiser": optimiser}, **options)
        return model.state_dict() | optimiser.state_tensors()

    whole = train(toy.new_run(tmp_path / "whole"))
    run = toy.new_run(tmp_path / "run")
    with pytest.raises(Interrupted):
        train(run, hooks=signal_at(11))
    resumed = train(run)
    assert resumed.keys() == whole.keys()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_checkpoints_on_the_way_do_not_change_the_result(tmp_path: Path, toy: ModuleType):
    _, *one = toy.train(toy.new_run(tmp_path / "one"))
    _, *other = toy.train(toy.new_run(tmp_path / "other"), checkpoint_seconds=0.0)
    assert toy.digest(*one) == toy.digest(*other)
    assert sorted(os.listdir(tmp_path / "other" / "checkpoints")) == ["step-29", "step-30"]


def test_seed_decides_the_result(tmp_path: Path, toy: ModuleType):
    digests = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        _, *parts = toy.train(toy.new_run(tmp_path / name, seed=seed))
        digests.append(toy.digest(*parts))
    assert digests[0] == digests[1] != digests[2]


def test_finished_training_resumed_does_nothing(tmp_path: Path, toy: ModuleType):
    run = toy.new_run(tmp_path / "run")
    first, *parts = toy.train(run)
    again, *same = toy.train(run)
    assert again == first
    assert toy.digest(*same) == toy.digest(*parts)
    outcome, *_ = toy.train(run, steps=10)
    assert outcome.step == 30


def test_every_step_and_seed_has_its_own_stream():
    seeds = {step_seed(seed, step) for seed in (0, 1, 2**32, 2**63) for step in range(2_000)}
    assert len(seeds) > 4 * 2_000 - 3  # a random function would lose less than one
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert len({step_seed(5, step) for step in range(4_000)}) == 4_000


def test_streams_do_not_depend_on_earlier_steps(tmp_path: Path, toy: ModuleType):
    seen: dict[int, list] = {}

    class Spy(toy.Sampler):
        def sample(self, n, *, generator):
            seen.setdefault(generator.initial_seed(), []).append(generator.get_state())
            return super().sample(n, generator=generator)

    for name in ("a", "b"):
        toy.train(toy.new_run(tmp_path / name), steps=5, parts={"sampler": Spy()})
    assert len(seen) == 5
    for first, second in seen.values():
        assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("fault", "culprit"),
    [(nan_loss, "loss term 'weights'"), (nan_gradient, "gradient of 'first.weight'")],
)
def test_bad_steps_change_nothing_are_named_and_halve_the_rate(
    tmp_path: Path, toy: ModuleType, caplog, fault, culprit
):
    run = toy.new_run(tmp_path / "run")
    seen = {}

    def keep(step: int, seconds: float) -> bool:
        seen[step] = weights(model)
        return False

    cfg = toy.Config()
    model = toy.Model(cfg, torch.Generator().manual_seed(0))
    parts = {"method": faulty(toy, range(5, 7), fault), "model": model}
    with caplog.at_level(logging.WARNING, "rayfield"):
        _, _, optimiser = toy.train(run, hooks=Hooks(preview_at=keep), parts=parts)
    assert all(map(torch.equal, seen[5], seen[7]))
    assert not all(map(torch.equal, seen[7], seen[8]))
    assert optimiser.steps == 28
    assert f"step 5 skipped: the {culprit} is not finite; learning rate times 0.5" in caplog.text
    skipped = [record for record in read_log(run.log) if "skipped" in record]
    assert skipped == [
        {"step": 6, "skipped": culprit, "backoff": 0.5},
        {"step": 7, "skipped": culprit, "backoff": 0.25},
    ]
    assert load_latest(run).state["backoff"] == 0.25


def test_rate_backed_off_is_the_rate_used_and_recovers(tmp_path: Path, toy, monkeypatch):
    monkeypatch.setattr(guard, "RECOVERY_STEPS", 10)
    factors = []

    class Spy(toy.Adam):
        def step(self, factor: float) -> None:
            factors.append(factor)
            super().step(factor)

    class Flat(type(faulty(toy, range(1), nan_loss))):
        def lr_factor(self, cfg, step, progress):
            return 1.0

    model = toy.Model(toy.Config(), torch.Generator())
    parts = {"method": Flat(), "model": model, "optimiser": Spy(model, 1e-2)}
    toy.train(toy.new_run(tmp_path / "run"), steps=100, parts=parts)
    assert factors[:10] == [0.5] * 10
    assert factors[10] == pytest.approx(0.55)
    assert max(factors) == factors[-1] == 1.0


def test_schedules_of_a_method_are_told_the_steps_of_the_budget(tmp_path: Path, toy: ModuleType):
    told = []

    class Spy(toy.Method):
        def loss(self, model, batch, cfg, step, *, generator):
            told.append(cfg.steps)
            return super().loss(model, batch, cfg, step, generator=generator)

    toy.train(toy.new_run(tmp_path / "run"), steps=12, parts={"method": Spy()})
    assert told == [12] * 12


def test_resuming_in_the_middle_of_trouble_is_exact_too(tmp_path: Path, toy: ModuleType):
    method = faulty(toy, range(5, 7), nan_loss)
    _, *whole = toy.train(toy.new_run(tmp_path / "whole"), parts={"method": method})
    run = toy.new_run(tmp_path / "run")
    with pytest.raises(Interrupted):
        toy.train(run, hooks=signal_at(6), parts={"method": method})
    _, *parts = toy.train(run, parts={"method": method})
    assert toy.digest(*parts) == toy.digest(*whole)


def test_three_bad_steps_in_a_row_stop_at_the_last_good_checkpoint(tmp_path: Path, toy: ModuleType):
    run = toy.new_run(tmp_path / "run")
    with pytest.raises(Interrupted):
        toy.train(run, hooks=signal_at(5))
    good = load_latest(run)
    model = toy.Model(toy.Config(), torch.Generator())
    parts = {"method": faulty(toy, range(8, 99), nan_loss), "model": model}
    with pytest.raises(
        DivergenceError,
        match="loss term 'weights' was not finite for 3 steps in a row; back at the checkpoint of",
    ) as caught:
        toy.train(run, parts=parts, checkpoint_seconds=1e9)
    assert caught.value.exit_code == 1
    assert load_latest(run).step == 5
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, good.model[name])


def test_two_bad_steps_in_a_row_are_survived(tmp_path: Path, toy: ModuleType):
    parts = {"method": faulty(toy, range(8, 10), nan_loss)}
    outcome, *_ = toy.train(toy.new_run(tmp_path / "run"), parts=parts)
    assert outcome.step == 30


def test_no_checkpoint_is_written_among_bad_steps(tmp_path: Path, toy: ModuleType):
    run = toy.new_run(tmp_path / "run")
    parts = {"method": faulty(toy, range(8, 99), nan_loss)}
    with pytest.raises(DivergenceError):
        toy.train(run, parts=parts, checkpoint_seconds=0.0)
    assert load_latest(run).step == 8


@pytest.mark.parametrize("name", ["first.weight", "seen"])
def test_model_gone_bad_is_never_saved(tmp_path: Path, toy: ModuleType, name: str):
    model = toy.Model(toy.Config(), torch.Generator())
    model.register_buffer("seen", torch.zeros(3))
    run = toy.new_run(tmp_path / "run")
    with pytest.raises(Interrupted):
        toy.train(run, hooks=signal_at(5), parts={"model": model})
    poison = Hooks(
        preview_at=lambda step, _: step == 30,
        preview=lambda *_: model.state_dict()[name].fill_(math.nan),
    )
    with pytest.raises(DivergenceError, match=f"tensor '{name}' is not finite at step 30"):
        toy.train(run, hooks=poison, parts={"model": model})
    assert load_latest(run).step == 5
    assert bool(model.state_dict()[name].isfinite().all())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_saves_after_the_step_and_tells_how_to_go_on(tmp_path: Path, toy, number: int):
    run = toy.new_run(tmp_path / "my run")
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as caught:
        toy.train(run, hooks=signal_at(7, number))
    wanted = f"stopped at step 7, saved; continue with: rayfield resume '{run.path}'"
    assert str(caught.value) == wanted
    assert caught.value.exit_code == 130
    assert load_latest(run).step == 7
    assert signal.getsignal(number) is before


def test_training_in_another_thread_needs_no_signals(tmp_path: Path, toy: ModuleType):
    run = toy.new_run(tmp_path / "run")
    outcomes = []

    def work() -> None:
        torch.set_num_threads(1)
        outcomes.append(toy.train(run)[0].step)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert outcomes == [30]


def test_seconds_budget_ends_training_and_drives_the_schedule(tmp_path: Path, toy: ModuleType):
    seen = []

    class Spy(toy.Method):
        def lr_factor(self, cfg, step, progress):
            seen.append(progress)
            return 1.0

    run = toy.new_run(tmp_path / "run")
    outcome, *_ = toy.train(run, steps=None, seconds=0.2, parts={"method": Spy()})
    assert 0.2 <= outcome.seconds < 1.0
    assert outcome.step == len(seen)
    assert seen == sorted(seen)
    assert seen[0] == 0.0
    assert 0.2 < seen[-1] < 1.0


def test_seconds_count_training_alone_and_continue_after_resuming(tmp_path: Path, toy: ModuleType):
    run = toy.new_run(tmp_path / "run")
    slow = Hooks(preview_at=lambda step, _: step == 3, preview=lambda *_: time.sleep(0.3))
    outcome, *_ = toy.train(run, steps=5, hooks=slow)
    assert outcome.seconds < outcome.wall_seconds - 0.3
    again, *_ = toy.train(run, steps=6)
    assert again.seconds > outcome.seconds
    assert again.wall_seconds > outcome.wall_seconds


def test_loop_costs_little_beside_the_step(tmp_path: Path, toy: ModuleType):
    class Free(toy.Method):
        def loss(self, model, batch, cfg, step, *, generator):
            return {"mse": model.first.bias.sum()}

    class Constant(toy.Sampler):
        def sample(self, n, *, generator):
            return batch

    class Still(toy.Adam):
        def step(self, factor: float) -> None:
            pass

    batch = toy.Sampler().sample(16, generator=torch.Generator())
    model = toy.Model(toy.Config(), torch.Generator())
    parts = {"method": Free(), "sampler": Constant(), "model": model}
    best = math.inf
    for attempt in range(5):
        run = toy.new_run(tmp_path / str(attempt))
        parts["optimiser"] = Still(model, 0.0)
        outcome, *_ = toy.train(run, steps=200, parts=parts)
        best = min(best, outcome.seconds / 200)
    assert best < 0.5e-3  # generous: 0.1 ms where nothing else runs, backward included


@pytest.mark.parametrize("key", ["step", "seconds", "backoff", "bad"])
def test_state_that_lacks_something_is_refused(tmp_path: Path, toy: ModuleType, key: str):
    run = toy.new_run(tmp_path / "run")
    model = toy.Model(toy.Config(), torch.Generator())
    optimiser = toy.Adam(model, 1e-2)
    state = {"seconds": 1.0, "wall": 1.0, "backoff": 1.0, "good": 1, "bad": 0} | {key: []}
    state.pop("step", None)
    tensors = optimiser.state_tensors()
    if key == "step":
        state["seconds"] = "x"
    save(run, 3, model.state_dict(), optim_tensors=tensors, state=state)
    with pytest.raises(DataError, match=r"state\.json: is not a training state"):
        restore(run, model, optimiser)


def test_optimiser_of_another_make_is_refused(tmp_path: Path, toy: ModuleType):
    run = toy.new_run(tmp_path / "run")
    toy.train(run)
    model = toy.Model(toy.Config(), torch.Generator())
    optimiser = toy.Adam(model, 1e-2)
    optimiser.first["first.bias"] = torch.zeros(9)
    with pytest.raises(DataError, match=r"optim\.safetensors: the tensor 'first\.first\.bias'"):
        restore(run, model, optimiser)


def test_run_never_saved_starts_at_zero(tmp_path: Path, toy: ModuleType):
    run = toy.new_run(tmp_path / "run")
    model = toy.Model(toy.Config(), torch.Generator())
    assert restore(run, model, toy.Adam(model, 1e-2)) == State()


def test_error_of_the_method_passes_and_keeps_the_last_checkpoint(tmp_path: Path, toy: ModuleType):
    def fail(model, terms):
        raise MemoryError

    run = toy.new_run(tmp_path / "run")
    parts = {"method": faulty(toy, range(9, 10), fail)}
    with pytest.raises(MemoryError):
        toy.train(run, parts=parts, checkpoint_seconds=0.0)
    assert load_latest(run).step == 9
    with contextlib.suppress(Interrupted):
        toy.train(run)
    assert load_latest(run).step == 30
