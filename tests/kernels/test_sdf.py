"""The compiled signed distance against its readable twin: values, and gradients of losses that
depend on value, spatial gradient and features."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rayfield.fields.hashgrid import HashGrid
from rayfield.fields.sdf_grid import Distance, SDFGrid
from rayfield.kernels.pool import set_threads, zeros


def made(features: int = 0, *, active: int = 3, levels: int = 4, width: int = 16) -> SDFGrid:
    """A field far from its start: dense and hashed levels, activations in and off the knee."""
    generator = torch.Generator().manual_seed(1)
    grid = HashGrid(levels=levels, features=4, entries=1 << 9, base=4, finest=32)
    with torch.no_grad():
        grid.table.uniform_(-0.5, 0.5, generator=generator)
    field = SDFGrid(grid, width, features=features, generator=generator)
    field.activate(active)
    return field


def points(count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(seed))


def pulled(field: SDFGrid, found: Distance, seed: int = 3) -> list[Tensor]:
    """Gradients of the parameters for random gradients of all three outputs, squares included."""
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(())
    for output in found:
        total = total + (torch.randn(output.shape, generator=generator) * output).sum()
        total = total + output.square().sum()
    field.zero_grad(set_to_none=True)
    total.backward()
    return [p.grad.clone() for p in (field.grid.table, *field.matrices())]


@pytest.mark.parametrize("count", [1, 7, 8, 65, 1025, 2300])
@pytest.mark.parametrize("features", [0, 3, 15])
def test_value_gradient_and_features_are_those_of_the_twin(count, features):
    field, x = made(features), points(count)
    for fast, plain in zip(field(x), field.twin(x), strict=True):
        assert fast.shape == plain.shape
        torch.testing.assert_close(fast, plain, rtol=1e-5, atol=2e-5)
    torch.testing.assert_close(field.distance(x), field.twin(x).value, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("count", [1, 7, 65, 1025])
@pytest.mark.parametrize("features", [0, 3, 15])
def test_reverse_is_the_double_backward_of_the_twin(count, features):
    field, x = made(features), points(count)
    plain = pulled(field, field.twin(x))
    for fast, slow in zip(pulled(field, field(x)), plain, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-4 * float(slow.abs().max()))


@pytest.mark.parametrize("output", ["value", "gradient", "features"])
def test_reverse_of_each_output_alone_is_that_of_the_twin(output):
    field, x = made(7), points(100)
    found = []
    for evaluate in (field, field.twin):
        field.zero_grad(set_to_none=True)
        getattr(evaluate(x), output).square().sum().backward()
        found.append([p.grad for p in (field.grid.table, *field.matrices())])
    for fast, slow in zip(*found, strict=True):
        assert float(slow.abs().max()) > 0
        torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-4 * float(slow.abs().max()))


def test_no_points_give_no_gradient():
    field = made(3)
    found = field(points(0))
    assert [tuple(x.shape) for x in found] == [(0,), (0, 3), (0, 3)]
    assert all(not g.any() for g in pulled(field, found))
    assert field.distance(points(0)).shape == (0,)


def test_points_outside_the_cube_continue_the_nearest_cell():
    field, x = made(), 3 * points(300) - 1
    for fast, plain in zip(field(x), field.twin(x), strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-3)


def test_gradient_is_the_slope_of_the_value():
    field, x = made(active=2), points(400, seed=5).double()
    found, step = field(x.float()).gradient.double(), 1e-4
    grid = 8 * x  # away from the faces of cells, where the slope jumps
    smooth = ((grid - grid.round()).abs() > 0.05).all(-1)
    assert int(smooth.sum()) > 100
    for axis in range(3):
        shift = torch.zeros(3, dtype=torch.double)
        shift[axis] = step
        ahead, behind = ((x + s * shift).float() for s in (1, -1))
        slope = (field.distance(ahead) - field.distance(behind)).double() / (2 * step)
        assert float((slope - found[:, axis].detach())[smooth].abs().median()) < 5e-3


def test_results_do_not_depend_on_the_number_of_threads():
    field, x, found = made(3), points(3000), []
    try:
        for threads in (1, 3):
            set_threads(threads)
            outputs = field(x)
            found.append([*(o.detach().clone() for o in outputs), *pulled(field, outputs)])
    finally:
        set_threads(2)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_inactive_levels_are_not_touched():
    field = made(active=2)
    gradient = pulled(field, field(points(200)))[0]
    end = field.grid.starts[2]
    assert gradient[:end].any()
    assert not gradient[end:].any()


def test_backward_after_a_second_forward_is_refused():
    field = made()
    first = field(points(10))
    field(points(10))
    with pytest.raises(RuntimeError, match="overwritten"):
        first.value.sum().backward()


def test_gradient_adds_to_what_the_table_has():
    field, x = made(), points(20)
    field(x).value.sum().backward()
    once = field.grid.table.grad.clone()
    field(x).value.sum().backward()
    torch.testing.assert_close(field.grid.table.grad, 2 * once)
    assert zeros((1,)).dtype == once.dtype
