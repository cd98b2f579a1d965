"""The reverse of `kernels.radiance`: from gradients per ray to gradients of tables and weights.

Compositing follows methods' identity dC/dsigma_k = delta_k (T_{k+1} c_k - sum_{i>k} w_i c_i): one
pass over each ray from its far end (tests compare with automatic differentiation of the twin).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import float32

from rayfield.kernels.gemm import layer, layer_backward
from rayfield.kernels.hash_encode import scatter
from rayfield.kernels.jit import kernel, take_ticket
from rayfield.kernels.march import CHUNKS
from rayfield.kernels.radiance import TILE, _color_input, _spacing


class Gradients(NamedTuple):
    """Gradients of `Weights`, one set per chunk: [CHUNKS, out, in]."""

    hidden: np.ndarray
    geometry: np.ndarray
    color1: np.ndarray
    color2: np.ndarray
    rgb: np.ndarray


@kernel
def _composite_ray(store, image, reverse, r, first, last):
    """Fill sigma and rgb of the ray's samples with the gradients with respect to them."""
    behind = w_behind = m_behind = float32(0)
    opacity, moment = image.opacity[r], float32(0)
    for s in range(first, last):
        w = store.through[s] * -math.expm1(-store.sigma[s] * store.delta[s])
        moment += w * _spacing(store, s)[0]
    for s in range(last - 1, first - 1, -1):
        through, sigma, delta = store.through[s], store.sigma[s], store.delta[s]
        beyond = through * math.exp(-sigma * delta)
        w = through * -math.expm1(-sigma * delta)
        middle, width = _spacing(store, s)
        w_front = opacity - w_behind - w
        m_front = moment - m_behind - w * middle
        spread = middle * (w_front - w_behind) - m_front + m_behind
        gain = reverse.opacity[r] + reverse.depth[r] * (store.start[s] + float32(0.5) * delta)
        gain += reverse.distortion[r] * float32(2) * (spread + w * width / float32(3))
        for k in range(3):
            value = store.rgb[s, k]
            gain += reverse.color[r, k] * value
            store.rgb[s, k] = reverse.color[r, k] * w * value * (float32(1) - value)
        store.sigma[s] = delta * (beyond * gain - behind) * sigma
        behind += w * gain
        w_behind += w
        m_behind += w * middle


@kernel
def _tile_backward(weights, store, harmonics, grads, chunk, s, n, scratch):
    """Reverse of both networks for samples [s, s + n); leaves d encoding in the encoding."""
    inputs, d2, d1, d_in, hidden, d_hidden = scratch
    layer_backward(d2, 0, store.rgb, s, weights.rgb, store.color2, s, d2.shape[1], n,
                   grads.rgb[chunk], True)  # fmt: skip
    layer_backward(d1, 0, d2, 0, weights.color2, store.color1, s, d1.shape[1], n,
                   grads.color2[chunk], True)  # fmt: skip
    _color_input(store, harmonics, s, n, inputs)
    width = store.geometry.shape[1]
    layer_backward(d_in, 0, d1, 0, weights.color1, inputs, 0, width, n,
                   grads.color1[chunk], False)  # fmt: skip
    for i in range(n):
        d_in[i, 0] += store.sigma[s + i]
    layer(hidden, 0, store.encoding, s, weights.hidden_t, n, True)
    layer_backward(d_hidden, 0, d_in, 0, weights.geometry, hidden, 0, hidden.shape[1], n,
                   grads.geometry[chunk], True)  # fmt: skip
    layer_backward(store.encoding, s, d_hidden, 0, weights.hidden, store.encoding, s,
                   store.encoding.shape[1], n, grads.hidden[chunk], False)  # fmt: skip


@kernel
def backward_chunks(ticket, weights, store, batch, image, reverse, grads):
    """Gradients of the weights, per chunk, and of each live sample's encoding."""
    while True:
        chunk = take_ticket(ticket)
        if chunk >= CHUNKS:
            break
        s = batch.begin[chunk]
        for r in range(batch.rays[chunk], batch.rays[chunk + 1]):
            _composite_ray(store, image, reverse, r, s, s + batch.live[r])
            s += batch.live[r]
        wide = weights.color2.shape[0]
        scratch = (
            np.empty((TILE, weights.color1.shape[1]), np.float32),
            np.empty((TILE, wide), np.float32),
            np.empty((TILE, weights.color1.shape[0]), np.float32),
            np.empty((TILE, weights.geometry.shape[0]), np.float32),
            np.empty((TILE, weights.hidden.shape[0]), np.float32),
            np.empty((TILE, weights.hidden.shape[0]), np.float32),
        )
        last = s
        for s in range(batch.begin[chunk], last, TILE):
            n = min(TILE, last - s)
            _tile_backward(weights, store, batch.harmonics, grads, chunk, s, n, scratch)


@kernel
def scatter_chunks(ticket, gradient, levels, store, batch):
    """Add d encoding of the live samples to the tables' gradient, a level at a time."""
    while True:
        level = take_ticket(ticket)
        if level >= levels.resolution.shape[0]:
            break
        for chunk in range(CHUNKS):
            first = batch.begin[chunk]
            last = first + batch.kept[chunk]
            scatter(gradient, levels, level, store.position, first, last, store.encoding)
