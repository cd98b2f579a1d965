"""The narrow matrix products against torch, in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rayfield.kernels.gemm import ROWS, layer, layer_backward

COUNTS = [1, 7, 8, 9, 97, 1000]
WIDTHS = [(8, 8), (8, 64), (16, 24), (32, 64), (40, 56), (48, 16), (64, 40), (64, 64)]
UNTOUCHED = np.float32(-77)


def padded(count: int) -> int:
    return -(-count // ROWS) * ROWS


def rows(count: int, width: int, rng: np.random.Generator, *, first: int = 0) -> np.ndarray:
    """Random rows [first, first + count); everything around them is NaN, so no read goes unseen."""
    out = np.full((first + padded(count) + ROWS, width), np.nan, np.float32)
    out[first : first + count] = rng.standard_normal((count, width))
    return out


def close(actual: np.ndarray, expected: torch.Tensor, *, terms: int) -> None:
    tolerance = 1e-6 * terms**0.5 * max(1.0, expected.abs().max().item())
    torch.testing.assert_close(
        torch.from_numpy(np.ascontiguousarray(actual)).double(), expected, rtol=0, atol=tolerance
    )


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(("inputs", "outputs"), WIDTHS)
@pytest.mark.parametrize("count", COUNTS)
def test_layer_is_the_matrix_product(count, inputs, outputs, relu):
    rng = np.random.default_rng(count)
    x, y, wider = 3, 5, 2
    X = rows(count, inputs + wider, rng, first=x)
    Wt = rng.standard_normal((inputs, outputs)).astype(np.float32)
    Y = np.full((y + padded(count) + ROWS, outputs + wider), UNTOUCHED)
    layer(Y, y, X, x, Wt, count, relu)
    taken = torch.from_numpy(X[x : x + count, :inputs]).double()
    expected = taken @ torch.from_numpy(Wt).double()
    close(Y[y : y + count, :outputs], expected.relu() if relu else expected, terms=inputs)
    assert (Y[:y] == UNTOUCHED).all()
    assert (Y[y + padded(count) :] == UNTOUCHED).all()
    assert (Y[:, outputs:] == UNTOUCHED).all()


def test_layer_on_no_rows_writes_nothing():
    Y, X, Wt = np.full((8, 8), UNTOUCHED), np.ones((8, 8), np.float32), np.ones((8, 8), np.float32)
    layer(Y, 0, X, 0, Wt, 0, True)
    assert (Y == UNTOUCHED).all()


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(("inputs", "outputs"), WIDTHS)
@pytest.mark.parametrize("count", COUNTS)
def test_layer_backward_is_automatic_differentiation(count, inputs, outputs, relu):
    """X is what a layer before gave: with `relu`, what a rectifier gave, whose reverse is fused."""
    rng = np.random.default_rng(count + 1)
    x, dy, dx = 2, 4, 6
    X, dY = rows(count, inputs, rng, first=x), rows(count, outputs, rng, first=dy)
    W = rng.standard_normal((outputs, inputs)).astype(np.float32)
    before = torch.from_numpy(X[x : x + count]).double().requires_grad_()
    matrix = torch.from_numpy(W).double().requires_grad_()
    after = before.relu() if relu else before
    (after @ matrix.T).backward(torch.from_numpy(dY[dy : dy + count]).double())
    if relu:
        X[x : x + count] = np.maximum(X[x : x + count], 0)
    dX = np.full((dx + padded(count) + ROWS, inputs), UNTOUCHED)
    start = rng.standard_normal(W.shape).astype(np.float32)
    dW = start.copy()
    layer_backward(dX, dx, dY, dy, W, X, x, inputs, count, dW, relu)
    close(dX[dx : dx + count], before.grad, terms=outputs)
    close(dW, torch.from_numpy(start).double() + matrix.grad, terms=count)
    assert (dX[:dx] == UNTOUCHED).all()
    assert (dX[dx + padded(count) :] == UNTOUCHED).all()


@pytest.mark.parametrize("columns", [0, 8, 16])
def test_layer_backward_writes_only_the_columns_asked_for(columns):
    rng = np.random.default_rng(0)
    X, dY = rows(19, 32, rng), rows(19, 24, rng)
    W, dW = rng.standard_normal((24, 32)).astype(np.float32), np.zeros((24, 32), np.float32)
    dX = np.full((40, 16), UNTOUCHED)
    layer_backward(dX, 0, dY, 0, W, X, 0, columns, 19, dW, False)
    expected = torch.from_numpy(dY[:19]).double() @ torch.from_numpy(W).double()
    if columns:
        close(dX[:19, :columns], expected[:, :columns], terms=24)
    assert (dX[:, columns:] == UNTOUCHED).all()
    close(dW, torch.from_numpy(dY[:19].T @ X[:19]).double(), terms=19)


def test_a_broken_number_stays_broken():
    X, Wt = np.ones((8, 8), np.float32), np.ones((8, 8), np.float32)
    X[3, 2], Y = np.nan, np.zeros((8, 8), np.float32)
    layer(Y, 0, X, 0, Wt, 8, False)
    assert np.isnan(Y[3]).all()
    assert np.isfinite(np.delete(Y, 3, 0)).all()
