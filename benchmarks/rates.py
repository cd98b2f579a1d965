"""What this machine can do at most: matrix products, random table reads, random table updates.

A training step cannot be faster than the time its arithmetic and its table traffic take at these
rates (`floor`). All use every kernel thread; the tables have 2^17 rows of four features.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from rayfield.kernels.jit import kernel, take_ticket
from rayfield.kernels.pool import available_cores, pool, zeros

ENTRIES = 1 << 17
LEVELS, CORNERS = 8, 8
BLOCK = 1 << 14
# products of one sample: hidden, geometry, colour 1, colour 2, rgb
FORWARD = 32 * 64 + 64 * 16 + 32 * 64 + 64 * 64 + 64 * 3
# forward, weight gradient, input gradient; that of the view direction is not needed
FLOPS = 2 * (3 * FORWARD - 16 * 64)


class Rates(NamedTuple):
    """Per second: float32 operations of a 2048^2 product; rows read in half precision and in
    float32; rows of four float32 added to."""

    sgemm: float
    gather_half: float
    gather_float: float
    scatter: float

    def floor(self) -> float:
        """Samples per second that these rates allow a training step."""
        rows = LEVELS * CORNERS
        return 1 / (FLOPS / self.sgemm + rows / self.gather_half + rows / self.scatter)


@kernel
def _gather(ticket, table, rows, sums):
    """Read table[row] for all rows; one row of four halves is one 64-bit word, of floats two."""
    words = table.shape[1]
    while True:
        block = take_ticket(ticket)
        if block >= sums.shape[0]:
            break
        total = np.int64(0)
        if words == 1:
            for i in range(block * BLOCK, (block + 1) * BLOCK):
                total ^= table[rows[i], 0]
        else:
            for i in range(block * BLOCK, (block + 1) * BLOCK):
                total ^= table[rows[i], 0] ^ table[rows[i], 1]
        sums[block] = total


@kernel
def _scatter(ticket, tables, rows, values):
    """Add values to tables[level, row] for all rows; a level belongs to one thread at a time."""
    a, b, c, d = values[0], values[1], values[2], values[3]
    while True:
        level = take_ticket(ticket)
        if level >= tables.shape[0]:
            break
        for i in range(rows.shape[0]):
            row = rows[i]
            tables[level, row, 0] += a
            tables[level, row, 1] += b
            tables[level, row, 2] += c
            tables[level, row, 3] += d


def measure(*, quick: bool = False) -> Rates:
    """The rates now: the best of three of each, for a floor is what can be done."""
    size, blocks = (256, 4) if quick else (2048, 128)
    torch.set_num_threads(available_cores())
    a, b = torch.rand(size, size), torch.rand(size, size)
    out = torch.empty(size, size)
    sgemm = 2 * size**3 / _best(lambda: torch.mm(a, b, out=out))
    rng = np.random.default_rng(0)
    rows = rng.integers(0, ENTRIES, blocks * BLOCK, dtype=np.uint32)
    sums = np.zeros(blocks, np.int64)
    half, single = (zeros((ENTRIES, words), np.int64).numpy() for words in (1, 2))
    tables = zeros((LEVELS, ENTRIES, 4)).numpy()
    values = np.ones(4, np.float32)
    few = rows[: len(rows) // LEVELS]
    return Rates(
        sgemm,
        len(rows) / _best(lambda: pool().run(_gather, half, rows, sums)),
        len(rows) / _best(lambda: pool().run(_gather, single, rows, sums)),
        len(few) * LEVELS / _best(lambda: pool().run(_scatter, tables, few, values)),
    )


def _best(work: Callable[[], object]) -> float:
    """Seconds of the fastest of three runs, after one to warm up."""
    work()
    found = []
    for _ in range(3):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return min(found)


if __name__ == "__main__":
    found = measure()
    print(
        f"sgemm {found.sgemm / 1e9:.0f} GF/s, reads {found.gather_half / 1e6:.0f} M rows/s in half "
        f"and {found.gather_float / 1e6:.0f} in single precision, updates "
        f"{found.scatter / 1e6:.0f} M rows/s: floor {found.floor() / 1e6:.2f} M samples/s"
    )
