"""Adam in one pass over memory (Kingma & Ba 2015, Algorithm 1). Twin: torch.optim.Adam.

Reads the gradient and clears it, so that it can be accumulated into again.
"""

from __future__ import annotations

import math

from numba import float32

from rayfield.kernels.jit import kernel, take_ticket

_BLOCK = 1 << 15


@kernel
def _idle(array, start, end):
    """Whether the block is all zeros (an update of it would change nothing)."""
    for i in range(start, end):  # noqa: SIM110  # all() of a generator does not compile
        if array[i] != float32(0):
            return False
    return True


@kernel
def adam(ticket, value, gradient, first, second, rates):
    """Update flat float32 arrays in place; rates = (rate, beta1, beta2, epsilon), bias-corrected.

    value -= rate * m / (sqrt(v) + epsilon); the gradient is zero afterwards.
    """
    rate, beta1, beta2, epsilon = rates
    total = value.shape[0]
    while True:
        start = take_ticket(ticket) * _BLOCK
        if start >= total:
            break
        end = min(start + _BLOCK, total)
        if _idle(gradient, start, end) and _idle(first, start, end):
            continue
        for i in range(start, end):
            g = gradient[i]
            m = beta1 * first[i] + (float32(1) - beta1) * g
            v = beta2 * second[i] + (float32(1) - beta2) * g * g
            first[i], second[i] = m, v
            value[i] -= rate * m / (math.sqrt(v) + epsilon)
            gradient[i] = float32(0)
