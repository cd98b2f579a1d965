"""The reverse of `kernels.radiance`: from gradients per ray to gradients of tables and weights.

Compositing follows methods' identity dC/dsigma_k = delta_k (T_{k+1} c_k - sum_{i>k} w_i c_i): one
pass over each ray from its far end (tests compare with automatic differentiation of the twin).
"""

from __future__ import annotations

import math

import numpy as np
from numba import float32

from rayfield.kernels.gemm import add_outer, layer, layer_backward
from rayfield.kernels.hash_encode import scatter
from rayfield.kernels.jit import kernel, take_ticket
from rayfield.kernels.march import CHUNKS
from rayfield.kernels.radiance import TILE, _color_tile, _spacing, _views


@kernel
def _faded(store, s, fade):
    """Share of a sample's gradient that is used: min(1, (t / fade)^2); all if fade is 0."""
    if fade == float32(0):
        return float32(1)
    ratio = (store.start[s] + float32(0.5) * store.delta[s]) / fade
    return min(float32(1), ratio * ratio)


@kernel
def _composite_ray(store, image, reverse, fade, r, first, last):
    """Fill sigma and rgb of the ray's samples with the gradients with respect to them."""
    behind = w_behind = m_behind = float32(0)
    opacity, moment = image.opacity[r], float32(0)
    if reverse.distortion[r] != 0:
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
        share = _faded(store, s, fade)
        for k in range(3):
            value = store.rgb[s, k]
            gain += reverse.color[r, k] * value
            store.rgb[s, k] = share * reverse.color[r, k] * w * value * (float32(1) - value)
        store.sigma[s] = share * delta * (beyond * gain - behind) * sigma
        behind += w * gain
        w_behind += w
        m_behind += w * middle


@kernel
def _color_backward(weights, store, batch, grads, chunk, views, s, n, scratch):
    """Reverse of the colour network for samples [s, s + n); their d geometry, in d_in.

    The part of the view directions is added up per ray in d_views.
    """
    first_ray = batch.rays[chunk]
    color1, color2, d_views, d2, d1, d_in = scratch
    _color_tile(weights, store, views, first_ray, s, n, (color1, color2))
    layer_backward(d2, 0, store.rgb, s, weights.rgb, color2, 0, d2.shape[1], n,
                   grads.rgb[chunk], True)  # fmt: skip
    layer_backward(d1, 0, d2, 0, weights.color2, color1, 0, d1.shape[1], n,
                   grads.color2[chunk], True)  # fmt: skip
    for i in range(n):
        ray = store.ray[s + i] - first_ray
        for k in range(d1.shape[1]):
            d_views[ray, k] += d1[i, k]
    layer_backward(d_in, 0, d1, 0, weights.color1, store.geometry, s, d_in.shape[1], n,
                   grads.color1[chunk], False)  # fmt: skip


@kernel
def _density_backward(weights, store, grads, chunk, d_in, s, n, scratch):
    """Reverse of the density network for samples [s, s + n), into the encoding's storage."""
    hidden, d_hidden = scratch
    for i in range(n):
        d_in[i, 0] += store.sigma[s + i]
    layer(hidden, 0, store.encoding, s, weights.hidden_t, n, True)
    layer_backward(d_hidden, 0, d_in, 0, weights.geometry, hidden, 0, hidden.shape[1], n,
                   grads.geometry[chunk], True)  # fmt: skip
    layer_backward(store.encoding, s, d_hidden, 0, weights.hidden, store.encoding, s,
                   store.encoding.shape[1], n, grads.hidden[chunk], False)  # fmt: skip


@kernel
def _tiles(width):
    return np.empty((TILE, width), np.float32)


@kernel
def backward_chunks(ticket, weights, store, batch, image, reverse, grads, fade):
    """Gradients of the weights, per chunk, and of each live sample's encoding."""
    wide, middle = weights.color2.shape[0], weights.hidden.shape[0]
    while True:
        chunk = take_ticket(ticket)
        if chunk >= CHUNKS:
            break
        s, first, last = batch.begin[chunk], batch.rays[chunk], batch.rays[chunk + 1]
        for r in range(first, last):
            _composite_ray(store, image, reverse, fade, r, s, s + batch.live[r])
            s += batch.live[r]
        end = s
        d_views, d_in = np.zeros((last - first, wide), np.float32), _tiles(store.geometry.shape[1])
        color = (_tiles(wide), _tiles(wide), d_views, _tiles(wide), _tiles(wide), d_in)
        density = (_tiles(middle), _tiles(middle))
        views = _views(weights, batch, chunk)
        for s in range(batch.begin[chunk], end, TILE):
            n = min(TILE, end - s)
            _color_backward(weights, store, batch, grads, chunk, views, s, n, color)
            _density_backward(weights, store, grads, chunk, d_in, s, n, density)
        add_outer(grads.direction[chunk], d_views, 0, batch.harmonics, first, last - first)


@kernel
def scatter_chunks(ticket, gradient, levels, store, batch):
    """Add d encoding of the live samples to the tables' gradient, a level at a time.

    The finest first: they take longest, for their tables are the largest.
    """
    while True:
        level = levels.resolution.shape[0] - 1 - take_ticket(ticket)
        if level < 0:
            break
        for chunk in range(CHUNKS):
            first = batch.begin[chunk]
            last = first + batch.kept[chunk]
            scatter(gradient, levels, level, store.position, first, last, store.encoding)
