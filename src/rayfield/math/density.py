"""Signed distances as what volume rendering needs: density, occupancy, opacity of a cell.

The signed distance f (negative inside) of the UNISURF, VolSDF and NeuS papers, each turned into
light by its own rule. A planar wall hit head-on tells them apart, at distance u behind its face:
NeuS has transmittance 1/2 at u = 0 and its greatest weight there; VolSDF has exp(-1/2) and the
greatest at +0.269 beta; UNISURF's answer depends on the number of samples.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

FLAT = 1e-2  # slopes along a ray that count as none
Scalar = float | Float[Tensor, "#*N"]


def occupancy(value: Float[Tensor, "*N"], sharpness: Scalar) -> Float[Tensor, "*N"]:
    """Probability of being inside, sigmoid(-sharpness f), in [0, 1]; `sharpness` in 1/length.

    Oechsle et al. 2021 (UNISURF), arXiv:2104.10078, eq. 5: it is the opacity of a sample, however
    far apart samples are (`quadrature.alpha_weights`).
    """
    return torch.sigmoid(-sharpness * value)


def laplace_density(value: Float[Tensor, "*N"], beta: Scalar) -> Float[Tensor, "*N"]:
    """Density Psi_beta(-f) / beta, in [0, 1/beta] (1/length), of a width `beta` > 0 (length).

    Yariv et al. 2021 (VolSDF), arXiv:2106.12052, eq. 2-3 with alpha = 1/beta: Psi is the cumulative
    distribution of Laplace's law. Each side of the surface has its own form, which keeps digits in
    the far tail and the slope at f = 0, where |f| has none.
    """
    outside = 0.5 * torch.exp(-value.clamp(min=0) / beta)
    inside = 1 - 0.5 * torch.exp(value.clamp(max=0) / beta)
    return torch.where(value >= 0, outside, inside) / beta


def laplace_depth(
    value: Float[Tensor, "*N"],
    cosine: Float[Tensor, "*N"],
    delta: Float[Tensor, "*N"],
    *,
    beta: Scalar,
) -> Float[Tensor, "*N"]:
    """Optical depth of each cell by `laplace_density`, >= 0, for f that is linear in the cell.

    The exact integral, so that cells may be longer than `beta`; arguments as in `neus_alpha`. Rays
    along the surface (|cosine| below 0.01) have the density at the middle times the length.
    """
    steep = cosine.abs() > FLAT
    slope = torch.where(steep, cosine, 1.0)
    half = slope * delta / 2
    integral = (
        _laplace_integral(value + half, beta) - _laplace_integral(value - half, beta)
    ) / slope
    flat = laplace_density(value, beta) * delta
    return torch.where(steep, integral, flat).clamp(min=0)


def _laplace_integral(value: Tensor, beta: Scalar) -> Tensor:
    """An antiderivative of `laplace_density` with respect to f."""
    outside = -0.5 * torch.exp(-value.clamp(min=0) / beta)
    inner = value.clamp(max=0) / beta
    return torch.where(value >= 0, outside, inner - 0.5 * torch.exp(inner))


def neus_depth(
    value: Float[Tensor, "*N"],
    cosine: Float[Tensor, "*N"],
    delta: Float[Tensor, "*N"],
    *,
    sharpness: Scalar,
) -> Float[Tensor, "*N"]:
    """Optical depth of each cell, -log(1 - `neus_alpha`), >= 0: to composite by, in log space."""
    half = cosine * delta / 2
    near = torch.nn.functional.logsigmoid(sharpness * (value - half))
    far = torch.nn.functional.logsigmoid(sharpness * (value + half))
    return (near - far).clamp(min=0)


def neus_alpha(
    value: Float[Tensor, "*N"],
    cosine: Float[Tensor, "*N"],
    delta: Float[Tensor, "*N"],
    *,
    sharpness: Scalar,
) -> Float[Tensor, "*N"]:
    """Opacity of each cell by itself, in [0, 1]; 0 where the ray leaves the solid.

    Wang et al. 2021 (NeuS), arXiv:2106.10689, eq. 13: (Phi(f_near) - Phi(f_far)) / Phi(f_near),
    Phi the sigmoid of `sharpness` (1/length) times f. `value` is f at the middle of a cell of
    length `delta`, `cosine` its slope along the ray (f's gradient times the unit direction), from
    which f at both ends is extrapolated as in the published code.

    Departure: the quotient is formed of logarithms, where the published code adds 1e-5 to both of
    its terms. So it holds at any sharpness, products over a ray telescope exactly, and deep inside
    a solid the opacity is the formula's, 1 - exp(sharpness cosine delta), and not 1.
    """
    return -torch.expm1(-neus_depth(value, cosine, delta, sharpness=sharpness))
