"""Where the samples of a batch of rays lie, and filling them in, by the kernels of `march`.

Twin: `render.occupancy.march`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rayfield.core.types import Rays
from rayfield.kernels import march
from rayfield.kernels.pool import pool

ALIGN = 8  # rows of the matrix kernels' blocks: chunks may have to begin at a multiple


@dataclass
class Packed:
    """Where the samples of a batch lie; `used` of the rays fit into the capacity.

    A ray's march begins at `near` and stops at `stop`, past its end or after as many samples as
    it may have.
    """

    used: int
    rows: int
    first: np.ndarray
    count: np.ndarray
    near: np.ndarray
    stop: np.ndarray
    rays: np.ndarray
    begin: np.ndarray


def bundle(rays: Rays, jitter: Tensor | None) -> march.Bundle:
    """Rays as the kernels take them; `jitter` None means 0.5."""
    offset = torch.full_like(rays.near, 0.5) if jitter is None else jitter
    tensors = (rays.origins, rays.directions, rays.near, rays.far, offset)
    return march.Bundle(*(x.contiguous().numpy() for x in tensors))


def pack(grid: march.Grid, rays: march.Bundle, capacity: int, *, align: int = 1) -> Packed:
    """Count the samples of the rays, and cut the rays that fit into chunks of equal work.

    Chunks begin at multiples of `align` rows.
    """
    count = np.zeros(len(rays.near), np.int64)
    near, stop = np.empty(len(count), np.float32), np.empty(len(count), np.float32)
    nowhere = (near[:0], near[:0], np.empty((0, 3), np.float32))
    pool().run(march.count_samples, grid, rays, count, near, stop, nowhere)
    total = np.cumsum(count)
    used = int(np.searchsorted(total, capacity, side="right"))
    count, total = count[:used], total[:used]
    sum_all = int(total[-1]) if used else 0
    goals = np.arange(1, march.CHUNKS) * sum_all / march.CHUNKS
    inner = np.searchsorted(total, goals)
    chunks = np.concatenate([[0], inner, [used]]).astype(np.int64)
    before = np.concatenate([[0], total]).astype(np.int64)
    sizes = before[chunks[1:]] - before[chunks[:-1]]
    padded = (sizes + align - 1) // align * align
    begin = np.concatenate([[0], np.cumsum(padded)]).astype(np.int64)
    shift = np.repeat(begin[:-1] - before[chunks[:-1]], np.diff(chunks))
    first = before[:-1] + shift
    return Packed(used, int(begin[-1]), first, count, near, stop, chunks, begin[:-1])


def fill(grid: march.Grid, rays: march.Bundle, packed: Packed, out: tuple[np.ndarray, ...]) -> None:
    """Write starts [S], lengths [S] and unit-cube positions [S, 3] of the packed samples."""
    pool().run(march.fill_samples, grid, rays, packed.rays, packed.first, packed.count,
               packed.near, out)  # fmt: skip
