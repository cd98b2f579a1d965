"""Adam in one pass over memory (Kingma & Ba 2015, Algorithm 1). Twin: torch.optim.Adam.

Reads the gradient and clears it, so that it can be accumulated into again.
"""

from __future__ import annotations

import math

from numba import float32

from rayfield.kernels.jit import kernel, take_ticket

_BLOCK = 1 << 15
LINE = 16  # values that are skipped together: a line of cache


@kernel
def _idle(array, start, end):
    """Whether the block is all zeros."""
    for i in range(start, end):  # noqa: SIM110  # all() of a generator does not compile
        if array[i] != float32(0):
            return False
    return True


@kernel
def _update(value, gradient, first, second, start, count, rates):
    """One update of `count` values from `start` on."""
    rate, beta1, beta2, epsilon = rates
    for i in range(start, start + count):
        g = gradient[i]
        m = beta1 * first[i] + (float32(1) - beta1) * g
        v = beta2 * second[i] + (float32(1) - beta2) * g * g
        first[i], second[i] = m, v
        value[i] -= rate * m / (math.sqrt(v) + epsilon)
        gradient[i] = float32(0)


@kernel
def adam(ticket, value, gradient, first, second, rates, sparse):
    """Update flat float32 arrays in place; rates = (rate, beta1, beta2, epsilon), bias-corrected.

    value -= rate * m / (sqrt(v) + epsilon); the gradient is zero afterwards. With `sparse`, lines
    of 16 values whose gradients are all zero stay as they are, moments included.
    """
    total = value.shape[0]
    while True:
        start = take_ticket(ticket) * _BLOCK
        if start >= total:
            break
        end = min(start + _BLOCK, total)
        if not sparse:
            if not (_idle(gradient, start, end) and _idle(first, start, end)):
                _update(value, gradient, first, second, start, end - start, rates)
            continue
        whole = end - (end - start) % LINE
        for line in range(start, whole, LINE):
            size = float32(0)
            for i in range(line, line + LINE):
                size += abs(gradient[i])
            if size != float32(0):  # also where it is not a number
                _update(value, gradient, first, second, line, LINE, rates)
        if not _idle(gradient, whole, end):
            _update(value, gradient, first, second, whole, end - whole, rates)
