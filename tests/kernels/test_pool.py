"""The pool of threads: same bits for any number, errors, and several users at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from rayfield.core.types import Rays
from rayfield.fields.hashgrid import HashGrid
from rayfield.fields.radiance import RadianceField
from rayfield.kernels import pool as pools
from rayfield.math.rays import ray_box
from rayfield.render.occupancy import OccupancyGrid
from rayfield.render.radiance import Marching, render


@pytest.fixture(autouse=True)
def _same_pool_after() -> Iterator[None]:
    before = pools.pool().threads
    yield
    if pools.pool().threads != before:
        pools.set_threads(before)


def picture(seed: int) -> list[torch.Tensor]:
    """Everything a render and its reverse give, for a random field, grid and rays."""
    generator = torch.Generator().manual_seed(seed)
    grid = HashGrid(levels=4, features=4, entries=1 << 9, base=3, finest=40, generator=generator)
    field = RadianceField(grid, 16, generator=generator)
    with torch.no_grad():
        grid.table.copy_(torch.randn(grid.table.shape, generator=generator))
    occupancy = OccupancyGrid(16, contracted=False)
    occupancy.density.copy_(torch.rand(16**3, generator=generator))
    occupancy.threshold(1.0, 0.4)
    origins = 2 * torch.randn(300, 3, generator=generator)
    directions = torch.nn.functional.normalize(-origins + torch.randn(300, 3, generator=generator))
    near, far = ray_box(origins, directions)
    rays = Rays(origins, directions, near, far, torch.full((300,), -1))
    out = render(field, occupancy, rays, marching=Marching(0.05), observe=True)
    (out.color.square().sum() + out.depth.sum() + out.distortion.sum()).backward()
    grads = [p.grad.clone() for p in field.parameters()]
    occupancy.threshold(1.0, 0.6)
    return [*(x.detach() for x in out), *grads, occupancy.density, occupancy.bits]


def test_any_number_of_threads_gives_the_same_bits():
    results = []
    for threads in (1, 2, 3):
        pools.set_threads(threads)
        results.append(picture(0))
    for result in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], result, strict=True))


def test_two_python_threads_may_use_the_pool_at_once():
    pools.set_threads(2)
    seeds, found = range(4), {}
    expected = {seed: picture(seed) for seed in seeds}

    def work(mine: list[int]) -> None:
        for seed in mine:
            found[seed] = picture(seed)

    workers = [threading.Thread(target=work, args=(list(seeds)[k::2],)) for k in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=20)
    assert sorted(found) == list(seeds)
    for seed in seeds:
        assert all(torch.equal(a, b) for a, b in zip(expected[seed], found[seed], strict=True))


def test_every_thread_runs_the_kernel_with_the_same_counter():
    seen = []
    pools.Pool(3).run(lambda ticket, word: seen.append((id(ticket), word)), "a")
    assert len(seen) == 3
    assert len(set(seen)) == 1


@pytest.mark.parametrize("fails", ["the caller", "a helper"])
def test_an_error_in_a_kernel_reaches_the_caller_and_the_pool_still_works(fails):
    pool, here = pools.Pool(2), threading.current_thread()

    def broken(ticket: np.ndarray) -> None:
        if (threading.current_thread() is here) == (fails == "the caller"):
            raise ArithmeticError("no such number")

    with pytest.raises(ArithmeticError, match="no such number"):
        pool.run(broken)
    seen = []
    pool.run(lambda ticket: seen.append(1))
    assert len(seen) == 2


@pytest.mark.parametrize("fails", ["the caller", "a helper"])
def test_no_thread_works_on_once_an_error_was_raised(fails):
    """Otherwise a kernel would write into arrays that their owner believes to be free."""
    pool, here = pools.Pool(3), threading.current_thread()
    slow, started, finished = threading.Lock(), threading.Event(), threading.Event()

    def broken(ticket: np.ndarray) -> None:
        mine = threading.current_thread() is here
        if not mine and slow.acquire(blocking=False):  # one helper is still at work
            started.set()
            time.sleep(0.2)
            finished.set()
            return
        started.wait(10)
        if mine == (fails == "the caller"):
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        pool.run(broken)
    assert finished.is_set()


@pytest.mark.parametrize("asked", ["1", "5"])
def test_the_environment_sets_the_number_of_threads(asked, monkeypatch):
    monkeypatch.setenv("RAYFIELD_THREADS", asked)
    assert pools.available_cores() == int(asked)


@pytest.mark.parametrize("asked", ["", "0", "-3", "many", "1.5"])
def test_an_environment_that_names_no_number_is_ignored(asked, monkeypatch):
    monkeypatch.delenv("RAYFIELD_THREADS", raising=False)
    usual = pools.available_cores()
    monkeypatch.setenv("RAYFIELD_THREADS", asked)
    assert pools.available_cores() == usual >= 1


def test_less_than_one_thread_is_refused():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        pools.set_threads(0)


def test_zeros_are_zeros_that_torch_and_numpy_share():
    tensor = pools.zeros((3, 5), np.float16)
    assert tensor.dtype == torch.float16
    assert (tensor == 0).all()
    tensor.numpy()[1, 2] = 4
    assert tensor[1, 2] == 4
