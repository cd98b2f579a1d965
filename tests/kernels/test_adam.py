"""The one-pass optimiser against torch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rayfield.kernels.adam import _BLOCK as BLOCK
from rayfield.train.optim import Adam

SHAPES = [[(5,), (7, 3)], [(BLOCK + 17,), (2 * BLOCK,)], [(3, 111)]]
RATES = [
    {"lr": 1e-2, "betas": (0.9, 0.99), "eps": 1e-15},
    {"lr": 3e-3, "betas": (0.9, 0.999), "eps": 1e-8},
    {"lr": 1e-1, "betas": (0.5, 0.9), "eps": 1e-2},
]


def groups(dtype: torch.dtype = torch.float32) -> list[dict]:
    generator = torch.Generator().manual_seed(1)
    return [
        {"params": [nn.Parameter(torch.randn(s, generator=generator).to(dtype)) for s in shapes]}
        | rates
        for shapes, rates in zip(SHAPES, RATES, strict=True)
    ]


def params(some: list[dict]) -> list[nn.Parameter]:
    return [p for group in some for p in group["params"]]


def fill(some: list[dict], step: int) -> None:
    """Random gradients of many sizes; whole blocks get none, always or at some steps only."""
    generator = torch.Generator().manual_seed(100 + step)
    for param in params(some):
        gradient = torch.randn(param.shape, generator=generator) * 10.0 ** (step % 5 - 3)
        flat = gradient.view(-1)
        if step % 4:
            flat[:BLOCK] = 0
        if step < 8:
            flat[BLOCK : 2 * BLOCK] = 0
        gradient = gradient.to(param.dtype)
        param.grad = gradient if param.grad is None else param.grad.copy_(gradient)


def run(optimiser: Adam, some: list[dict], steps: range, factor: float = 1.0) -> None:
    for step in steps:
        fill(some, step)
        optimiser.step(factor)


def assert_near(some: list[dict], other: list[dict], tolerance: float = 1e-5) -> None:
    """Values agree within `tolerance` of the path one can go in 20 steps."""
    for a, b in zip(some, other, strict=True):
        for p, q in zip(a["params"], b["params"], strict=True):
            torch.testing.assert_close(
                p.detach().double(), q.detach().double(), rtol=1e-6, atol=tolerance * 20 * a["lr"]
            )


def test_twenty_steps_equal_torch():
    mine, theirs = groups(), groups()
    run(Adam(mine), mine, range(20))
    reference = torch.optim.Adam(theirs)
    for step in range(20):
        fill(theirs, step)
        reference.step()
    assert_near(mine, theirs)
    moved = [(p != q).any() for p, q in zip(params(mine), params(groups()), strict=True)]
    assert all(moved)


def test_readable_path_equals_the_compiled_one():
    fast, slow = groups(), groups(torch.float64)
    run(Adam(fast), fast, range(20))
    run(Adam(slow), slow, range(20))
    assert_near(fast, slow)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sparse_groups_move_only_in_lines_that_have_a_gradient(dtype):
    """Each line of 16 goes the way of torch's Adam over the steps at which it has a gradient."""
    generator = torch.Generator().manual_seed(3)
    n, steps = 16 * 40 + 5, 6
    start = torch.randn(n, generator=generator)
    active = torch.rand(steps, n // 16 + 1, generator=generator) < 0.4
    values = torch.randn(steps, n, generator=generator)
    values[:, ::3] = 0  # within a line that has a gradient, its other values move by momentum
    param = nn.Parameter(start.to(dtype))
    mine = Adam([{"params": [param], **RATES[0], "sparse": True}])
    first, second = torch.zeros(n).double(), torch.zeros(n).double()
    expected = start.double()
    for step in range(steps):
        on = active[step].repeat_interleave(16)[:n]
        gradient = values[step] * on
        param.grad = gradient.to(dtype, copy=True)
        mine.step(1.0)
        g = gradient.double()
        b1, b2 = RATES[0]["betas"]
        first = torch.where(on, b1 * first + (1 - b1) * g, first)
        second = torch.where(on, b2 * second + (1 - b2) * g * g, second)
        m, v = first / (1 - b1 ** (step + 1)), second / (1 - b2 ** (step + 1))
        move = RATES[0]["lr"] * m / (v.sqrt() + RATES[0]["eps"])
        expected = torch.where(on & (second > 0), expected - move, expected)
    torch.testing.assert_close(param.detach().double(), expected, rtol=1e-5, atol=1e-6)


def test_blocks_that_never_had_a_gradient_do_not_move():
    some = groups()
    start = params(some)[3].detach().clone()
    run(Adam(some), some, range(1, 4))  # these steps fill neither of its two blocks
    assert torch.equal(params(some)[3], start)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_cleared_and_stay_allocated(dtype):
    some = groups(dtype)
    optimiser = Adam(some)
    fill(some, 0)
    places = [p.grad.data_ptr() for p in params(some)]
    optimiser.step(1.0)
    assert all((p.grad == 0).all() for p in params(some))
    assert places == [p.grad.data_ptr() for p in params(some)]
    fill(some, 0)
    optimiser.zero_grad()
    assert all((p.grad == 0).all() for p in params(some))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("factor", [0.0, 0.25, 3.0])
def test_factor_scales_the_rate(factor, dtype):
    scaled, plain = groups(dtype), groups(dtype)
    for group in plain:
        group["lr"] *= factor
    run(Adam(scaled), scaled, range(3), factor)
    run(Adam(plain), plain, range(3))
    for a, b in zip(params(scaled), params(plain), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)
    if factor == 0:
        assert all(
            torch.equal(a, b) for a, b in zip(params(scaled), params(groups(dtype)), strict=True)
        )


def test_restored_state_continues_with_the_same_bits():
    straight, stopped = groups(), groups()
    run(Adam(straight), straight, range(8))
    first, second = Adam(stopped), Adam(stopped)
    run(first, stopped, range(4))
    second.load_state_tensors({k: v.clone() for k, v in first.state_tensors().items()})
    assert second.steps == 4
    run(second, stopped, range(4, 8))
    assert all(torch.equal(a, b) for a, b in zip(params(straight), params(stopped), strict=True))


def test_after_a_reset_it_goes_as_from_the_start():
    one, other = groups(), groups()
    used, fresh = Adam(one), Adam(other)
    run(used, one, range(5))
    fill(one, 5)  # gradients that no step took
    used.reset()
    with torch.no_grad():
        for param, first in zip(params(one), params(groups()), strict=True):
            param.copy_(first)
    run(used, one, range(5, 9))
    run(fresh, other, range(5, 9))
    assert all(torch.equal(a, b) for a, b in zip(params(one), params(other), strict=True))


def test_parameters_without_gradient_are_left_alone():
    some = groups()
    fill(some, 0)
    still = params(some)[0]
    start = still.detach().clone()
    still.grad = None
    Adam(some).step(1.0)
    assert torch.equal(still, start)


def test_torch_sees_that_a_parameter_changed():
    some = groups()
    versions = [p._version for p in params(some)]
    run(Adam(some), some, range(1))
    assert all(p._version > v for p, v in zip(params(some), versions, strict=True))


def test_a_gradient_that_is_not_contiguous_counts_the_same():
    start = torch.arange(12.0).view(3, 4)
    gradient = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).T
    values = []
    for grad in (gradient, gradient.contiguous()):
        param = nn.Parameter(start.clone())
        param.grad = grad.clone(memory_format=torch.preserve_format)
        Adam([{"params": [param], **RATES[0]}]).step(1.0)
        values.append(param.detach())
    torch.testing.assert_close(*values)


@pytest.mark.parametrize("where", ["among others", "alone"])
def test_a_gradient_that_is_not_a_number_shows_in_the_parameter(where):
    param = nn.Parameter(torch.zeros(100))
    param.grad = torch.zeros(100) if where == "alone" else torch.ones(100)
    param.grad[40] = torch.nan
    Adam([{"params": [param], **RATES[0]}]).step(1.0)
    assert torch.isnan(param[40])
    assert torch.isfinite(param[:40]).all()
