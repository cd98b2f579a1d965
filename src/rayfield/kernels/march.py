"""Marching rays through an occupancy grid into packed samples. Twin: `render.occupancy.march`.

Instant-NGP (Mueller et al. 2022, arXiv:2201.05989), Appendix E: steps of fixed length in a
bounded scene, growing with distance (cone stepping) in an unbounded one; empty cells are skipped.
Departure: unbounded scenes are contracted (mip-NeRF 360, eq. 10) instead of cascaded.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import float32

from rayfield.kernels.jit import kernel, take_ticket

CHUNKS = 16  # pieces of a batch of rays: fixed, so results do not depend on the thread count


class Grid(NamedTuple):
    """An occupancy grid and how to step through it.

    `bits` uint8 [side^3 / 8], x fastest; `limit` the half side of the cube it spans: 1 for a
    bounded scene, 2 for a contracted one; `step` the shortest step and `cone` the ratio of a
    step to the distance from the camera, in scene units; `most` samples per ray at most.
    """

    bits: np.ndarray
    side: int
    limit: float
    step: float
    cone: float
    most: int


class Bundle(NamedTuple):
    """Rays as arrays: origins [R, 3], directions [R, 3], near, far, jitter in [0, 1) [R]."""

    origins: np.ndarray
    directions: np.ndarray
    near: np.ndarray
    far: np.ndarray
    jitter: np.ndarray


@kernel
def contraction(limit, x, y, z):
    """Scale factor that takes a point into the grid's ball: 1, or mip-NeRF 360's eq. 10."""
    if limit == float32(1):
        return float32(1)
    squared = x * x + y * y + z * z
    if squared <= float32(1):
        return float32(1)
    inverse = float32(1) / math.sqrt(squared)
    return (float32(2) - inverse) * inverse


@kernel
def cell_of(grid, u, v, w):
    """Index of the cell that holds the contracted point (u, v, w), clamped to the grid."""
    half = float32(0.5) * float32(grid.side) / grid.limit
    i = min(max(int((u + grid.limit) * half), 0), grid.side - 1)
    j = min(max(int((v + grid.limit) * half), 0), grid.side - 1)
    k = min(max(int((w + grid.limit) * half), 0), grid.side - 1)
    return i + grid.side * (j + grid.side * k)


@kernel
def _exit(position, direction, cell):
    """Distance along one axis to the wall of the cell of width `cell` that holds `position`."""
    index = math.floor(position / cell)
    if direction > float32(1e-9):
        return ((index + float32(1)) * cell - position) / direction
    if direction < float32(-1e-9):
        return (index * cell - position) / direction
    return float32(1e9)


@kernel
def _skip(grid, u, v, w, dx, dy, dz, scale):
    """Distance through the empty cell around a contracted point, to first order.

    Moving along d moves the contracted point along J d, J being the contraction's Jacobian: the
    singular values are `scale` across the radius and 1 / r^2 along it.
    """
    if scale < float32(1):
        length = math.sqrt(u * u + v * v + w * w)  # 2 - 1/r
        radial = (float32(2) - length) ** 2
        along = (u * dx + v * dy + w * dz) / (length * length) * (scale - radial)
        dx, dy, dz = scale * dx - along * u, scale * dy - along * v, scale * dz - along * w
    cell = float32(2) * grid.limit / float32(grid.side)
    return min(_exit(u, dx, cell), min(_exit(v, dy, cell), _exit(w, dz, cell)))


@kernel
def _march(grid, rays, r, start, delta, position, slot, room):
    """Samples of ray r, written from `slot` on if there is `room`; returns how many there are."""
    ox, oy, oz = rays.origins[r, 0], rays.origins[r, 1], rays.origins[r, 2]
    dx, dy, dz = rays.directions[r, 0], rays.directions[r, 1], rays.directions[r, 2]
    far, count = rays.far[r], 0
    t = rays.near[r]
    if not t < far:
        return 0
    t += rays.jitter[r] * max(grid.step, t * grid.cone)
    while t < far and count < grid.most:
        step = max(grid.step, t * grid.cone)
        middle = t + float32(0.5) * step
        x, y, z = ox + middle * dx, oy + middle * dy, oz + middle * dz
        scale = contraction(grid.limit, x, y, z)
        u, v, w = x * scale, y * scale, z * scale
        cell = cell_of(grid, u, v, w)
        if (grid.bits[cell >> 3] >> (cell & 7)) & 1:
            if count < room:
                s = slot + count
                start[s], delta[s] = t, step
                half = float32(0.5) / grid.limit
                position[s, 0] = u * half + float32(0.5)
                position[s, 1] = v * half + float32(0.5)
                position[s, 2] = w * half + float32(0.5)
            count += 1
            t += step
        else:
            free = _skip(grid, u, v, w, dx, dy, dz, scale)
            t += step * max(float32(1), math.ceil(free / step))
    return count


@kernel
def count_samples(ticket, grid, rays, count, start, delta, position):
    """count[r] = number of samples of ray r."""
    total = count.shape[0]
    while True:
        chunk = take_ticket(ticket)
        if chunk >= CHUNKS:
            break
        for r in range(chunk * total // CHUNKS, (chunk + 1) * total // CHUNKS):
            count[r] = _march(grid, rays, r, start, delta, position, 0, 0)


@kernel
def fill_samples(ticket, grid, rays, chunks, first, count, start, delta, position):
    """Write the samples of the rays chunks[c] .. chunks[c + 1] of each chunk c at first[r]."""
    while True:
        chunk = take_ticket(ticket)
        if chunk >= CHUNKS:
            break
        for r in range(chunks[chunk], chunks[chunk + 1]):
            _march(grid, rays, r, start, delta, position, first[r], count[r])
