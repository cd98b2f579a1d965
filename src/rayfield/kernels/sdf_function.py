"""The compiled signed distance as a differentiable function of torch tensors.

`Engine` owns the storage that forward and reverse share; `Evaluate` is the autograd function.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from rayfield.kernels import sdf
from rayfield.kernels.hash_encode import Levels
from rayfield.kernels.pool import pool, zeros
from rayfield.kernels.sdf_backward import (
    CHUNKS,
    Gradients,
    Reverse,
    backward_chunks,
    scatter_levels,
)

_PAD = 8  # widths are padded to it, and rows may be written up to a multiple of it


class Engine:
    """Storage of one field on the CPU. One forward at a time: the next one overwrites it."""

    store: sdf.Store

    def __init__(self) -> None:
        self.rows = -1  # none yet
        self.forwards = 0

    def reserve(self, rows: int, width: int) -> None:
        """Storage for that many samples, kept for later batches."""
        if self.rows < rows:
            self.rows = max(rows, self.rows * 3 // 2)
            room = self.rows + _PAD
            self.store = sdf.Store(
                np.empty((room, width), np.float32), np.empty((room, 3 * width), np.float32)
            )


def _weights(hidden: Tensor, out: Tensor) -> sdf.Weights:
    out = nn.functional.pad(out.detach(), (0, 0, 0, -len(out) % _PAD))
    plain = [m.detach().contiguous().numpy() for m in (hidden, out)]
    return sdf.Weights(*plain, *(np.ascontiguousarray(m.T) for m in plain))


class Evaluate(torch.autograd.Function):
    """(value [N], gradient [N, 3], features [N, F]) at points of the unit cube [N, 3].

    Arguments: engine, levels, points, table, hidden [H, W], out [1 + F, H]. Points receive no
    gradient. The table's gradient is added to `table.grad` directly: it is as large as the table.
    """

    @staticmethod
    def forward(ctx, engine, levels, points, table, hidden, out):
        weights = _weights(hidden, out)
        count = len(points)
        engine.reserve(count, hidden.shape[1])
        outputs = torch.empty(count), torch.empty(count, 3), torch.empty(count, len(out) - 1)
        points = points.detach().contiguous().numpy()
        pool().run(sdf.forward, table.detach().numpy(), levels, weights, points, engine.store,
                   *(x.numpy() for x in outputs))  # fmt: skip
        engine.forwards += 1
        ctx.state = (engine, engine.forwards, levels, weights, points, table, len(out))
        return outputs

    @staticmethod
    def backward(ctx, value, gradient, features):
        engine, forward, levels, weights, points, table, outputs = ctx.state
        if forward != engine.forwards:
            raise RuntimeError(
                "backward of an evaluation whose activations were overwritten by a later one"
            )
        engine.forwards += 1  # this pass overwrites the activations: no second one
        reverse = Reverse(*(x.contiguous().numpy() for x in (value, gradient, features)))
        grads = Gradients(*(np.zeros((CHUNKS, *w.shape), np.float32) for w in weights[:2]))
        pool().run(backward_chunks, weights, engine.store, reverse, grads)
        if ctx.needs_input_grad[3]:
            if table.grad is None:
                table.grad = zeros(tuple(table.shape))
            pool().run(scatter_levels, table.grad.numpy(), levels, points, reverse.gradient,
                       engine.store)  # fmt: skip
        hidden, out = (torch.from_numpy(g.sum(0)) for g in grads)
        return None, None, None, None, hidden, out[:outputs]


def values(levels: Levels, points: Tensor, table: Tensor, matrices: tuple[Tensor, ...]) -> Tensor:
    """Value alone, [N], at points of the unit cube [N, 3]; no gradient."""
    found = torch.empty(len(points))
    pool().run(sdf.values, table.detach().numpy(), levels, _weights(*matrices),
               points.contiguous().numpy(), found.numpy())  # fmt: skip
    return found
