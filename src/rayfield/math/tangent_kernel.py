"""How fast a wide two-layer ReLU network learns each frequency on the circle.

Inputs are (cos t, sin t); the first layer is trained, the second fixed. By gradient descent of
rate eta on half the mean squared error the part of the residual in cos(k t), sin(k t) shrinks by
1 - eta lambda_k a step, where lambda_k is an eigenvalue of the tangent kernel. Basri, Jacobs,
Kasten, Kritchman 2019, arXiv:1906.00425, Sec. 4.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def tangent_kernel(inner: Float[Tensor, "*S"], angle: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """K = <u, u'> (pi - angle) / (2 pi), for normal first-layer weights.

    `inner`: inner products of the inputs with whatever is trained, biases included; `angle`, in
    [0, pi]: between the inputs without the bias, which starts at 0.
    """
    return inner * (math.pi - angle) / (2 * math.pi)


def circle_kernel(t: Float[Tensor, "*S"], *, bias: bool) -> Float[Tensor, "*S"]:
    """K of two points of the circle that are `t`, in [-pi, pi], apart.

    With `bias` the network sees (cos t, sin t, 1) / sqrt(2).
    """
    inner = (torch.cos(t) + 1) / 2 if bias else torch.cos(t)
    return tangent_kernel(inner, t.abs())


def circle_eigenvalue(k: int, *, bias: bool) -> float:
    """lambda_k = 1/(2 pi) times the integral of K(t) cos(k t) over the circle, in closed form.

    Without bias it is 0 for odd k >= 3: those frequencies are never learned. Else it falls as
    1 / k^2.
    """
    if k == 0:
        return 1 / (2 * math.pi**2) + 1 / 8 if bias else 1 / math.pi**2
    if k == 1:
        return 1 / (2 * math.pi**2) + 1 / 16 if bias else 1 / 8
    if k % 2:
        return 1 / (2 * math.pi**2 * k**2) if bias else 0.0
    even = (k**2 + 1) / (math.pi**2 * (k**2 - 1) ** 2)
    return even / 2 if bias else even


def eigenvalues(kernel: Float[Tensor, " N"], most: int) -> Float[Tensor, " K"]:
    """lambda_k, k = 0 ... most, of a kernel given at the angles 2 pi j / N from a point."""
    t = 2 * math.pi * torch.arange(len(kernel), dtype=kernel.dtype) / len(kernel)
    k = torch.arange(most + 1, dtype=kernel.dtype)
    return (kernel * torch.cos(k[:, None] * t)).mean(dim=1)
