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


BRICK = 8  # cells along the side of a brick, the coarser grid that is skipped as a whole


class Grid(NamedTuple):
    """An occupancy grid and how to step through it.

    `bits` uint8 [side^3 / 8], x fastest; `bricks` uint8 [(side / BRICK)^3], nonzero where any of
    the brick's cells is occupied; `limit` the half side of the cube: 1 for a bounded scene, 2 for
    a contracted one; `step` the shortest step and `cone` the ratio of a step to the distance from
    the camera, in scene units; `most` samples per ray at most.
    """

    bits: np.ndarray
    bricks: np.ndarray
    side: int
    limit: np.float32
    step: np.float32
    cone: np.float32
    most: int


class Seen(NamedTuple):
    """What is known of the cells, x fastest: the greatest density met (decayed) [side^3], and
    which photos looked into them [side^3]: a bit for every eighth photo."""

    density: np.ndarray
    photos: np.ndarray
    side: int


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
def _index(value, side):
    return min(max(int(value), 0), side - 1)


@kernel
def _empty(grid, u, v, w):
    """Width of the empty cell or brick around the contracted point; 0 if it is occupied."""
    half = float32(0.5) * float32(grid.side) / grid.limit
    i = _index((u + grid.limit) * half, grid.side)
    j = _index((v + grid.limit) * half, grid.side)
    k = _index((w + grid.limit) * half, grid.side)
    bricks = grid.side // BRICK
    if not grid.bricks[i // BRICK + bricks * (j // BRICK + bricks * (k // BRICK))]:
        return float32(BRICK) / half
    cell = i + grid.side * (j + grid.side * k)
    if (grid.bits[cell >> 3] >> (cell & 7)) & 1:
        return float32(0)
    return float32(1) / half


@kernel
def _wall(position, direction, inverse, cell):
    """Distance along one axis to the wall of the cell of width `cell` that holds `position`."""
    if abs(direction) < float32(1e-9):
        return float32(1e9)
    index = np.floor(position / cell)
    if direction > float32(0):
        index += float32(1)
    return (index * cell - position) * inverse


@kernel
def _free(cell, u, v, w, d, inverse, scale, limit):
    """Distance to the wall of the empty cell around a contracted point, to first order.

    Moving along d moves the contracted point along J d, J being the contraction's Jacobian: its
    singular values are `scale` across the radius and 1 / r^2 along it.
    """
    dx, dy, dz = d
    ix, iy, iz = inverse
    if scale < float32(1):
        length = math.sqrt(u * u + v * v + w * w)  # 2 - 1/r
        radial = (float32(2) - length) ** 2
        along = (u * dx + v * dy + w * dz) / (length * length) * (scale - radial)
        dx, dy, dz = scale * dx - along * u, scale * dy - along * v, scale * dz - along * w
        ix, iy, iz = float32(1) / dx, float32(1) / dy, float32(1) / dz
    u, v, w = u + limit, v + limit, w + limit  # walls are whole multiples from the grid's corner
    return min(_wall(u, dx, ix, cell), min(_wall(v, dy, iy, cell), _wall(w, dz, iz, cell)))


@kernel
def _march(grid, rays, r, t, most, out, slot):
    """March ray r from t until it has `most` samples.

    Returns their number, where the first one starts, and where the march stopped. Samples are
    written to `out` = (start, delta, position) from `slot` on, unless slot < 0.
    """
    ox, oy, oz = rays.origins[r, 0], rays.origins[r, 1], rays.origins[r, 2]
    d = dx, dy, dz = rays.directions[r, 0], rays.directions[r, 1], rays.directions[r, 2]
    inverse = float32(1) / dx, float32(1) / dy, float32(1) / dz
    start, delta, position = out
    far, count, half, begin = rays.far[r], 0, float32(0.5) / grid.limit, t
    while t < far and count < most:
        step = max(grid.step, t * grid.cone)
        middle = t + float32(0.5) * step
        x, y, z = ox + middle * dx, oy + middle * dy, oz + middle * dz
        scale = contraction(grid.limit, x, y, z)
        u, v, w = x * scale, y * scale, z * scale
        cell = _empty(grid, u, v, w)
        if cell > float32(0):
            free = _free(cell, u, v, w, d, inverse, scale, grid.limit)
            t += step * max(float32(1), np.ceil(free / step))
            continue
        if slot >= 0:
            s = slot + count
            start[s], delta[s] = t, step
            position[s, 0] = u * half + float32(0.5)
            position[s, 1] = v * half + float32(0.5)
            position[s, 2] = w * half + float32(0.5)
        elif count == 0:
            begin = t
        count += 1
        t += step
    return count, begin, t


@kernel
def count_samples(ticket, grid, rays, count, begin, stop, out):
    """count[r] = number of samples of ray r, which begins and stops at begin[r], stop[r]."""
    total = count.shape[0]
    while True:
        chunk = take_ticket(ticket)
        if chunk >= CHUNKS:
            break
        for r in range(chunk * total // CHUNKS, (chunk + 1) * total // CHUNKS):
            t = rays.near[r] + rays.jitter[r] * max(grid.step, rays.near[r] * grid.cone)
            count[r], begin[r], stop[r] = _march(grid, rays, r, t, grid.most, out, -1)


@kernel
def fill_samples(ticket, grid, rays, chunks, first, count, begin, out):
    """Write the samples of the rays chunks[c] .. chunks[c + 1] of each chunk c at first[r]."""
    while True:
        chunk = take_ticket(ticket)
        if chunk >= CHUNKS:
            break
        for r in range(chunks[chunk], chunks[chunk + 1]):
            _march(grid, rays, r, begin[r], count[r], out, first[r])


@kernel
def mark(ticket, grid, threshold, enough, bits, bricks):
    """bits: which cells are denser than the threshold and have been seen by enough photos
    (`enough` [256]: whether the bits of `Seen.photos` are); bricks: which have such a cell."""
    side = grid.side
    across = side // BRICK
    while True:
        brick = take_ticket(ticket)  # a row of bricks along x
        if brick >= across * across:
            break
        for b in range(brick * across, (brick + 1) * across):
            bricks[b] = 0
        for row in range(BRICK * BRICK):
            j = brick % across * BRICK + row % BRICK
            k = brick // across * BRICK + row // BRICK
            first = side * (j + side * k)
            for b in range(across):
                byte = 0
                for bit in range(8):
                    cell = first + b * 8 + bit
                    if grid.density[cell] > threshold and enough[grid.photos[cell]]:
                        byte |= 1 << bit
                bits[(first >> 3) + b] = byte
                if byte:
                    bricks[brick * across + b] = 1


@kernel
def observe(grid, image, begin, kept, store):
    """Raise cells to the densities of the kept samples of every chunk, and note who saw them."""
    side, position = grid.side, store.position
    for chunk in range(begin.shape[0]):
        for s in range(begin[chunk], begin[chunk] + kept[chunk]):
            i = _index(position[s, 0] * float32(side), side)
            j = _index(position[s, 1] * float32(side), side)
            k = _index(position[s, 2] * float32(side), side)
            cell = i + side * (j + side * k)
            grid.density[cell] = max(grid.density[cell], store.sigma[s])
            grid.photos[cell] |= 1 << (image[store.ray[s]] & 7)
