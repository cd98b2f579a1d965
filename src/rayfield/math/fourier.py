"""Sines and cosines of coordinates, which let a network learn fine detail.

Positional encoding: Mildenhall et al. 2020 (NeRF), arXiv:2003.08934, eq. 4. Fourier features:
Tancik et al. 2020, arXiv:2006.10739, eq. 5.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor


def positional_encoding(
    x: Float[Tensor, "*B D"], bands: int, *, identity: bool = True, with_pi: bool = False
) -> Float[Tensor, "*B C"]:
    """x, sin(2^l x), cos(2^l x) for l = 0 ... bands - 1: C = D (identity + 2 bands) values.

    In the order x, sin 2^0 x, cos 2^0 x, sin 2^1 x, ... of the authors' code, which passes x on
    and leaves out the paper's factor pi. `with_pi` puts it in: values then have period 2, so
    that x = -1 and x = 1 cannot be told apart.
    """
    first = math.pi if with_pi else 1.0
    waves = [x] if identity else [x[..., :0]]
    for band in range(bands):
        phase = x * (first * 2**band)
        waves += [torch.sin(phase), torch.cos(phase)]
    return torch.cat(waves, dim=-1)


def fourier_features(
    x: Float[Tensor, "*B D"], frequencies: Float[Tensor, "M D"]
) -> Float[Tensor, "*B C"]:
    """cos(2 pi B x) and then sin(2 pi B x), C = 2 M values; `frequencies` B in periods per unit.

    The products of two points' features depend on their difference alone.
    """
    phase = (2 * math.pi) * (x @ frequencies.T)
    return torch.cat([torch.cos(phase), torch.sin(phase)], dim=-1)


def gaussian_frequencies(
    count: int, dim: int, scale: float, *, generator: Generator | None = None
) -> Float[Tensor, "M D"]:
    """`count` frequencies drawn from N(0, scale^2) in every coordinate."""
    return scale * torch.randn(count, dim, generator=generator)


def axis_frequencies(bands: int, dim: int, scale: float) -> Float[Tensor, "M D"]:
    """2^(scale l / bands), l = 0 ... bands - 1, along each axis: M = bands * dim frequencies.

    Positional encoding as Tancik et al. compare it with Gaussian frequencies (their Sec. 6).
    """
    values = 2 ** (scale * torch.arange(bands, dtype=torch.float32) / bands)
    return torch.cat([values[:, None] * torch.eye(dim)[axis] for axis in range(dim)])
