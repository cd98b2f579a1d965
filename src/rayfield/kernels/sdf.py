"""A signed distance on a hash grid: value, spatial gradient and features in one analytic pass.

Twin: `fields.sdf_grid` (whose gradients come from automatic differentiation).

    e = encoding of x, J = de/dx;  z = A e;  h = act(z);  (f, features) = B h
    gradient of f: g = J^T v with v = A^T (act'(z) * B[0])

Everything after the encoding runs in tiles of rows that stay in cache. The reverse
(`kernels.sdf_backward`) takes gradients with respect to f, g and the features: the second-order
terms are the ordinary reverse of these few lines, so no graph of a graph is ever built.

The activation is a ReLU with a parabola over |z| < KNEE: its slope is continuous, so g is as
smooth as the encoding, at the price of a minimum and a maximum instead of an exponential. It is
lowered to pass through zero, so that a network without features is zero.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32

from rayfield.kernels.gemm import layer
from rayfield.kernels.jit import kernel, take_ticket
from rayfield.kernels.sdf_encode import encode, encode_with_slopes

TILE = 64  # rows of activations that stay in the second-level cache
BLOCK = 1024  # rows a thread takes at a time; results do not depend on the number of threads
KNEE = 0.1


class Weights(NamedTuple):
    """The network's matrices [out, in], and their transposes; outputs are padded to 8."""

    hidden: np.ndarray
    out: np.ndarray
    hidden_t: np.ndarray
    out_t: np.ndarray


class Store(NamedTuple):
    """What is kept of each sample, one row each: encoding [S, W], jacobian [S, 3 W] (see
    `encode_with_slopes`). The reverse overwrites both."""

    encoding: np.ndarray
    jacobian: np.ndarray


@kernel
def activate(z, a, u, row, n):
    """In n rows: a = act(z), u = act'(z) * row, and z is left as it is."""
    for i in range(n):
        for k in range(z.shape[1]):
            x = z[i, k]
            slope = min(max(x * float32(0.5 / KNEE) + float32(0.5), float32(0)), float32(1))
            inner = min(max(x, float32(-KNEE)), float32(KNEE)) + float32(KNEE)
            a[i, k] = inner * inner * float32(0.25 / KNEE) - float32(0.25 * KNEE)
            a[i, k] += max(x - float32(KNEE), float32(0))
            u[i, k] = slope * row[k]


@kernel
def _tile(weights, store, s, n, scratch, outputs):
    """Outputs of n samples from row s on."""
    z, a, u, y, v = scratch
    value, gradient, features = outputs
    width = store.encoding.shape[1]
    layer(z, 0, store.encoding, s, weights.hidden_t, n, False)
    activate(z, a, u, weights.out[0], n)
    layer(y, 0, a, 0, weights.out_t, n, False)
    layer(v, 0, u, 0, weights.hidden, n, False)
    for i in range(n):
        value[s + i] = y[i, 0]
        for k in range(features.shape[1]):
            features[s + i, k] = y[i, k + 1]
        for axis in range(3):
            total = float32(0)
            for k in range(width):
                total += store.jacobian[s + i, axis * width + k] * v[i, k]
            gradient[s + i, axis] = total


@kernel
def forward(ticket, table, levels, weights, points, store, value, gradient, features):
    """value [S], gradient [S, 3] and features [S, F] of points in the unit cube [S, 3]."""
    total, (hidden, width) = points.shape[0], weights.hidden.shape
    scratch = (
        np.empty((TILE, hidden), np.float32),
        np.empty((TILE, hidden), np.float32),
        np.empty((TILE, hidden), np.float32),
        np.empty((TILE, weights.out.shape[0]), np.float32),
        np.empty((TILE, width), np.float32),
    )
    while True:
        first = take_ticket(ticket) * BLOCK
        if first >= total:
            break
        last = min(first + BLOCK, total)
        encode_with_slopes(table, levels, points, first, last, store.encoding, store.jacobian)
        for s in range(first, last, TILE):
            n = min(TILE, last - s)
            _tile(weights, store, s, n, scratch, (value, gradient, features))


@kernel
def values(ticket, table, levels, weights, points, value):
    """value [S] of points in the unit cube [S, 3], nothing kept."""
    total, (hidden, width) = points.shape[0], weights.hidden.shape
    encoding = np.empty((BLOCK, width), np.float32)
    z = np.empty((TILE, hidden), np.float32)
    a = np.empty((TILE, hidden), np.float32)
    u = np.empty((TILE, hidden), np.float32)
    while True:
        first = take_ticket(ticket) * BLOCK
        if first >= total:
            break
        last = min(first + BLOCK, total)
        encode(table, levels, points, first, last, encoding, 0)
        for s in range(first, last, TILE):
            n = min(TILE, last - s)
            layer(z, 0, encoding, s - first, weights.hidden_t, n, False)
            activate(z, a, u, weights.out[0], n)
            for i in range(n):
                total_i = float32(0)
                for k in range(hidden):
                    total_i += a[i, k] * weights.out[0, k]
                value[s + i] = total_i
