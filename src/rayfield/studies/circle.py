"""A wide two-layer ReLU network on the circle, its first layer trained by gradient descent.

Basri et al. 2019, arXiv:1906.00425, Sec. 4 and 5; the theory is in `math.tangent_kernel`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from rayfield.math.fourier import fourier_features
from rayfield.math.tangent_kernel import circle_eigenvalue, eigenvalues, tangent_kernel
from rayfield.studies.study import Report

RATE = 5.0  # of gradient descent, on half the mean squared error
SPREAD = 30.0  # of the first weights: large, so that they turn little (the theory's regime)
BANDS = 16  # Fourier features of 1 ... BANDS periods
FREQUENCIES = (2, 3, 4, 6, 7, 9, 10, 14)


@dataclass(frozen=True)
class Size:
    """Points on the circle, units of the hidden layer, steps."""

    points: int = 256
    width: int = 4096
    steps: int = 2500


def inputs(name: str, t: Float[Tensor, " N"]) -> Float[Tensor, "N D"]:
    """What the network sees of the angles `t`: unit vectors."""
    if name == "Fourier features":
        bands = torch.arange(1, BANDS + 1, dtype=t.dtype)[:, None]
        return fourier_features(t[:, None] / (2 * math.pi), bands) / math.sqrt(BANDS)
    circle = torch.stack([torch.cos(t), torch.sin(t)], dim=1)
    if name == "no bias":
        return circle
    return torch.cat([circle, torch.ones(len(t), 1)], dim=1) / math.sqrt(2)


def theory_rate(name: str, k: int) -> float:
    """The tangent kernel's eigenvalue of frequency k, for each kind of input."""
    if name != "Fourier features":
        return circle_eigenvalue(k, bias=name == "bias")
    t = 2 * math.pi * torch.arange(4096, dtype=torch.float64) / 4096
    features = inputs(name, t)
    inner = features @ features[0]
    return float(eigenvalues(tangent_kernel(inner, inner.clamp(-1, 1).arccos()), k)[k])


def target(t: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    """A sine of amplitude 1 at each of the frequencies, phases spread."""
    k = torch.tensor(FREQUENCIES, dtype=t.dtype)
    return torch.sin(t[:, None] * k + torch.arange(len(k))).sum(dim=1)


def descend(
    x: Float[Tensor, "N D"], y: Float[Tensor, " N"], size: Size, *, bias: bool, report: Report
) -> Float[Tensor, "S N"]:
    """The network's values at every step of gradient descent on its first layer.

    It starts as 0: units come in pairs with opposite signs in the second layer. A bias is the
    weight of the last input and starts at 0.
    """
    generator = torch.Generator().manual_seed(0)
    half = SPREAD * torch.randn(size.width // 2, x.shape[1], generator=generator)
    if bias:
        half[:, -1] = 0
    weights = torch.cat([half, half])
    signs = torch.ones(size.width) / math.sqrt(size.width)
    signs[size.width // 2 :] *= -1
    values = []
    for step in range(size.steps):
        before = x @ weights.T
        values.append(torch.relu(before) @ signs)
        slope = (before > 0) * ((y - values[-1]) / len(y))[:, None]
        weights += RATE * signs[:, None] * (slope.T @ x)
        if step % 50 == 0:
            report(step / size.steps, f"step {step}")
    return torch.stack(values)


def amplitudes(residual: Float[Tensor, "S N"], t: Float[Tensor, " N"]) -> Float[Tensor, "S K"]:
    """How much of each frequency a residual holds."""
    waves = t[:, None] * torch.tensor(FREQUENCIES, dtype=t.dtype)
    cosine, sine = (residual @ wave * (2 / len(t)) for wave in (torch.cos(waves), torch.sin(waves)))
    return (cosine**2 + sine**2).sqrt()


def fitted_rate(amplitude: np.ndarray) -> float:
    """lambda of the best exponential (1 - RATE lambda)^step, while the amplitude is above 0.1."""
    below = np.flatnonzero(amplitude < 0.1 * amplitude[0])
    stop = max(int(below[0]) if len(below) else len(amplitude), 2)
    slope = np.polyfit(np.arange(stop), np.log(amplitude[:stop]), 1)[0]
    return float(-np.expm1(slope) / RATE)
