"""The reverse of `kernels.sdf`: gradients of tables and weights from those of f, g and features."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32

from rayfield.kernels.gemm import layer, layer_backward
from rayfield.kernels.jit import kernel, take_ticket
from rayfield.kernels.sdf import KNEE, TILE, activate
from rayfield.kernels.sdf_encode import scatter

CHUNKS = 32  # parts whose weight gradients are summed in order, whatever the number of threads


class Reverse(NamedTuple):
    """Gradients of the outputs: value [S], gradient [S, 3], features [S, F]."""

    value: np.ndarray
    gradient: np.ndarray
    features: np.ndarray


class Gradients(NamedTuple):
    """Gradients of the matrices, one set per chunk: [CHUNKS, out, in]."""

    hidden: np.ndarray
    out: np.ndarray


@kernel
def _pull_back(store, reverse, s, n, d_y, d_v):
    """Fill d_y, d_v with the gradients of a tile's outputs and of v = A^T (act' * B[0])."""
    width = store.encoding.shape[1]
    for i in range(n):
        d_y[i, 0] = reverse.value[s + i]
        for k in range(1, d_y.shape[1]):
            d_y[i, k] = float32(0)
        for k in range(reverse.features.shape[1]):
            d_y[i, k + 1] = reverse.features[s + i, k]
        gx, gy = reverse.gradient[s + i, 0], reverse.gradient[s + i, 1]
        gz = reverse.gradient[s + i, 2]
        for k in range(width):
            d_v[i, k] = (
                gx * store.jacobian[s + i, k]
                + gy * store.jacobian[s + i, width + k]
                + gz * store.jacobian[s + i, 2 * width + k]
            )


@kernel
def _hidden_backward(z, d_a, d_u, row, d_row, n):
    """Fill d_a with the gradient of z, from those of a = act(z) and u = act'(z) * row."""
    for i in range(n):
        for k in range(z.shape[1]):
            x = z[i, k]
            slope = min(max(x * float32(0.5 / KNEE) + float32(0.5), float32(0)), float32(1))
            bend = float32(0.5 / KNEE) if abs(x) < float32(KNEE) else float32(0)
            d_row[k] += slope * d_u[i, k]
            d_a[i, k] = d_a[i, k] * slope + d_u[i, k] * row[k] * bend


@kernel
def _tile_backward(weights, store, reverse, grads, chunk, s, n, scratch):
    """Reverse of n samples from row s on; leaves d encoding and v in the store."""
    z, a, u, d_a, d_u, d_y, d_v, v = scratch
    d_hidden, d_out = grads.hidden[chunk], grads.out[chunk]
    width = store.encoding.shape[1]
    layer(z, 0, store.encoding, s, weights.hidden_t, n, False)
    activate(z, a, u, weights.out[0], n)
    layer(v, 0, u, 0, weights.hidden, n, False)
    _pull_back(store, reverse, s, n, d_y, d_v)
    layer(d_u, 0, d_v, 0, weights.hidden_t, n, False)
    layer_backward(d_a, 0, d_y, 0, weights.out, a, 0, a.shape[1], n, d_out, False)
    _hidden_backward(z, d_a, d_u, weights.out[0], d_out[0], n)
    layer_backward(v, 0, u, 0, weights.hidden, d_v, 0, 0, n, d_hidden, False)
    layer_backward(d_v, 0, d_a, 0, weights.hidden, store.encoding, s, width, n, d_hidden, False)
    for i in range(n):
        for k in range(width):
            store.encoding[s + i, k] = d_v[i, k]
            store.jacobian[s + i, k] = v[i, k]


@kernel
def backward_chunks(ticket, weights, store, reverse, grads):
    """Gradients of the weights, per chunk; leaves in the store what `scatter_levels` needs."""
    total, (hidden, width) = reverse.value.shape[0], weights.hidden.shape
    size = (total + CHUNKS - 1) // CHUNKS
    scratch = (
        np.empty((TILE, hidden), np.float32),
        np.empty((TILE, hidden), np.float32),
        np.empty((TILE, hidden), np.float32),
        np.empty((TILE, hidden), np.float32),
        np.empty((TILE, hidden), np.float32),
        np.empty((TILE, weights.out.shape[0]), np.float32),
        np.empty((TILE, width), np.float32),
        np.empty((TILE, width), np.float32),
    )
    while True:
        chunk = take_ticket(ticket)
        if chunk >= CHUNKS:
            break
        last = min((chunk + 1) * size, total)
        for s in range(chunk * size, last, TILE):
            n = min(TILE, last - s)
            _tile_backward(weights, store, reverse, grads, chunk, s, n, scratch)


@kernel
def scatter_levels(ticket, gradient, levels, points, tangent, store):
    """Add the reverse of the encoding to the tables' gradient, a level at a time."""
    while True:
        level = take_ticket(ticket)
        if level >= levels.resolution.shape[0]:
            break
        scatter(gradient, levels, level, points, tangent, points.shape[0],
                store.encoding, store.jacobian)  # fmt: skip
