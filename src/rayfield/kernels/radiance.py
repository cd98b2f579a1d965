"""A hash-grid radiance field rendered along packed samples, forward and reverse, fused.

Twin: `methods.instant_ngp` composed of `fields.hashgrid`, `fields.mlp` and `render.volume`.

The batch is cut into a fixed number of chunks of whole rays. Encoding runs over all samples,
level by level (tables are larger than a core's cache); everything after it runs chunk by chunk,
in tiles of rows that stay in cache. Samples behind an opaque surface are dropped before the
colour network, by moving the rows of the remaining ones together. The reverse recomputes the
hidden layers, which costs less than storing them: memory is slower than the products.

Rates: density = exp(first geometry feature); colour = logistic; no biases, as in Instant-NGP.
"""

from __future__ import annotations

import math

import numpy as np
from numba import float32

from rayfield.kernels.gemm import ROWS, layer, layer_onto
from rayfield.kernels.hash_encode import encode
from rayfield.kernels.jit import kernel, take_ticket
from rayfield.kernels.march import CHUNKS

TILE = 64  # rows of activations that stay near the core
_BLOCK = 2048
LOG_DENSITY_MAX = 15.0
LOG_DENSITY_START = -1.5  # of an untrained field: thin fog, so that nothing is hidden at first


@kernel
def encode_all(ticket, table, levels, position, encoding, total):
    """Encode samples [0, total), blocks of samples shared out among threads."""
    while True:
        first = take_ticket(ticket) * _BLOCK
        if first >= total:
            break
        encode(table, levels, position, first, min(first + _BLOCK, total), encoding)


@kernel
def _sigma(raw):
    return math.exp(min(raw + float32(LOG_DENSITY_START), float32(LOG_DENSITY_MAX)))


@kernel
def _density(weights, store, first, last, hidden):
    """Geometry features of samples [first, last)."""
    for s in range(first, last, TILE):
        n = min(TILE, last - s)
        layer(hidden, 0, store.encoding, s, weights.hidden_t, n, True)
        layer(store.geometry, s, hidden, 0, weights.geometry_t, n, False)


@kernel
def _keep(store, source, target):
    """Move a sample's row from source to target."""
    for k in range(3):
        store.position[target, k] = store.position[source, k]
    store.start[target] = store.start[source]
    store.delta[target] = store.delta[source]
    for k in range(store.encoding.shape[1]):
        store.encoding[target, k] = store.encoding[source, k]
    for k in range(store.geometry.shape[1]):
        store.geometry[target, k] = store.geometry[source, k]


@kernel
def _terminate(store, batch, chunk, cutoff):
    """Densities and transmittances; drops samples behind T < cutoff and closes the gaps."""
    target = batch.begin[chunk]
    for r in range(batch.rays[chunk], batch.rays[chunk + 1]):
        through, count = float32(1), 0
        for s in range(batch.first[r], batch.first[r] + batch.count[r]):
            if through < cutoff:
                break
            sigma = _sigma(store.geometry[s, 0])
            if s != target:
                _keep(store, s, target)
            store.sigma[target], store.through[target], store.ray[target] = sigma, through, r
            through *= math.exp(-sigma * store.delta[target])
            target += 1
            count += 1
        batch.live[r] = count
    batch.kept[chunk] = target - batch.begin[chunk]


@kernel
def _views(weights, batch, chunk):
    """What the view directions of a chunk's rays add to the colour network's first layer."""
    first, last = batch.rays[chunk], batch.rays[chunk + 1]
    out = np.empty((last - first + ROWS, weights.direction.shape[0]), np.float32)
    layer(out, 0, batch.harmonics, first, weights.direction_t, last - first, False)
    return out


@kernel
def _color_tile(weights, store, views, first_ray, s, n, scratch):
    """The colour network's hidden layers for samples [s, s + n); rays count from `first_ray`."""
    color1, color2 = scratch
    for i in range(n):
        ray = store.ray[s + i] - first_ray
        for k in range(views.shape[1]):
            color1[i, k] = views[ray, k]
    layer_onto(color1, 0, store.geometry, s, weights.color1_t, n)
    layer(color2, 0, color1, 0, weights.color2_t, n, True)


@kernel
def _colors(weights, store, batch, chunk):
    """Colours of a chunk's live samples."""
    views, first_ray = _views(weights, batch, chunk), batch.rays[chunk]
    shape = (TILE, weights.color2.shape[0])
    scratch = np.empty(shape, np.float32), np.empty(shape, np.float32)
    first = batch.begin[chunk]
    last = first + batch.kept[chunk]
    for s in range(first, last, TILE):
        n = min(TILE, last - s)
        _color_tile(weights, store, views, first_ray, s, n, scratch)
        layer(store.rgb, s, scratch[1], 0, weights.rgb_t, n, False)
        for i in range(s, s + n):
            for k in range(3):
                store.rgb[i, k] = float32(1) / (float32(1) + math.exp(-store.rgb[i, k]))


@kernel
def _composite(store, batch, image, chunk):
    """Colour, opacity, depth and distortion of each ray."""
    s = batch.begin[chunk]
    for r in range(batch.rays[chunk], batch.rays[chunk + 1]):
        red = green = blue = opacity = depth = moment = distortion = float32(0)
        for _ in range(batch.live[r]):
            w = store.through[s] * -math.expm1(-store.sigma[s] * store.delta[s])
            red += w * store.rgb[s, 0]
            green += w * store.rgb[s, 1]
            blue += w * store.rgb[s, 2]
            middle, width = _spacing(store, s)
            distortion += float32(2) * w * (middle * opacity - moment) + w * w * width / float32(3)
            moment += w * middle
            opacity += w
            depth += w * (store.start[s] + float32(0.5) * store.delta[s])
            s += 1
        image.color[r, 0], image.color[r, 1], image.color[r, 2] = red, green, blue
        image.opacity[r], image.depth[r], image.distortion[r] = opacity, depth, distortion


@kernel
def _spacing(store, s):
    """Middle and width of a sample in s = t / (1 + t)."""
    end = store.start[s] + store.delta[s]
    low = store.start[s] / (float32(1) + store.start[s])
    high = end / (float32(1) + end)
    return float32(0.5) * (low + high), high - low


@kernel
def render_chunks(ticket, weights, store, batch, image, cutoff):
    """Density, early termination, colour and compositing of all chunks."""
    while True:
        chunk = take_ticket(ticket)
        if chunk >= CHUNKS:
            break
        first = batch.begin[chunk]
        total = 0
        for r in range(batch.rays[chunk], batch.rays[chunk + 1]):
            total += batch.count[r]
        hidden = np.empty((TILE, weights.hidden.shape[0]), np.float32)
        _density(weights, store, first, first + total, hidden)
        _terminate(store, batch, chunk, cutoff)
        _colors(weights, store, batch, chunk)
        _composite(store, batch, image, chunk)


@kernel
def densities(ticket, table, levels, weights, position, sigma):
    """sigma[s] of points in the unit cube, blocks of points shared out among threads.

    The positions need storage for a whole group behind the last point.
    """
    total = sigma.shape[0]
    encoding = np.empty((_BLOCK, weights.hidden.shape[1]), np.float32)
    hidden = np.empty((TILE, weights.hidden.shape[0]), np.float32)
    geometry = np.empty((TILE, weights.geometry.shape[0]), np.float32)
    while True:
        first = take_ticket(ticket) * _BLOCK
        if first >= total:
            break
        count = min(_BLOCK, total - first)
        encode(table, levels, position[first:], 0, count, encoding)
        for s in range(0, count, TILE):
            n = min(TILE, count - s)
            layer(hidden, 0, encoding, s, weights.hidden_t, n, True)
            layer(geometry, 0, hidden, 0, weights.geometry_t, n, False)
            for i in range(n):
                sigma[first + s + i] = _sigma(geometry[i, 0])
