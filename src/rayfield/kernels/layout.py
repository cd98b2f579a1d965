"""What the kernels of a radiance field share: its weights, the samples, their rays, the picture."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Weights(NamedTuple):
    """The two MLPs: matrices [out, in] and their transposes; `rgb` is padded to 8 outputs.

    The first matrix of the colour network is cut into its columns for the geometry features
    (`color1`) and for the view direction (`direction`).
    """

    hidden: np.ndarray
    geometry: np.ndarray
    direction: np.ndarray
    color1: np.ndarray
    color2: np.ndarray
    rgb: np.ndarray
    hidden_t: np.ndarray
    geometry_t: np.ndarray
    direction_t: np.ndarray
    color1_t: np.ndarray
    color2_t: np.ndarray
    rgb_t: np.ndarray


class Store(NamedTuple):
    """What is kept of each sample, one row each (capacity rows, plus padding).

    position [S, 3] in the unit cube, start, delta, sigma, through (transmittance in front) [S],
    ray [S] int32, encoding [S, 4 L], geometry [S, 16], rgb [S, 8].
    """

    position: np.ndarray
    start: np.ndarray
    delta: np.ndarray
    sigma: np.ndarray
    through: np.ndarray
    ray: np.ndarray
    encoding: np.ndarray
    geometry: np.ndarray
    rgb: np.ndarray


class Batch(NamedTuple):
    """How the samples of a batch are packed.

    harmonics [R + padding, 16]: view directions as spherical harmonics; first, count [R]: a ray's
    samples; live [R]: how many of them were kept; rays [CHUNKS + 1]: first ray of each chunk;
    begin, kept [CHUNKS]: first row of a chunk (a multiple of 8) and its kept samples.
    """

    harmonics: np.ndarray
    first: np.ndarray
    count: np.ndarray  # type: ignore[assignment]  # hides tuple.count, unused
    live: np.ndarray
    rays: np.ndarray
    begin: np.ndarray
    kept: np.ndarray


class Image(NamedTuple):
    """What each ray sees, or the gradient with respect to it.

    color [R, 3] without background, opacity, depth (sum of w t, not normalised) and distortion
    [R] (mip-NeRF 360, eq. 15, over s = t / (1 + t)).
    """

    color: np.ndarray
    opacity: np.ndarray
    depth: np.ndarray
    distortion: np.ndarray


class Gradients(NamedTuple):
    """Gradients of `Weights`, one set per chunk: [CHUNKS, out, in]."""

    hidden: np.ndarray
    geometry: np.ndarray
    direction: np.ndarray
    color1: np.ndarray
    color2: np.ndarray
    rgb: np.ndarray
