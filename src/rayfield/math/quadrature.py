"""Dense volume-rendering quadrature: piecewise-constant media on the cells of a ray.

Names, here and wherever rays are composited. A ray is cut at `edges` [*B N+1] into N cells of
length `delta` [*B N] (lengths along the ray: unit directions). On each cell the density `sigma`
(1/length, finite, >= 0) and the colour are constant. `tau` is optical depth, `T` transmittance
(the probability of arriving unabsorbed), `alpha` the opacity of one cell, `w` the probability
of being absorbed in it, so that sum(w) + T at the last edge = 1 exactly.

Everything from a density is formed in log space (Max 1995, eq. 3-5; Mildenhall et al. 2020, eq. 3),
without cumulative products or epsilons: thin and opaque media lose no digits, and all of it is
differentiable. `math/packed.py` is the same on ragged rays.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def optical_depth(
    sigma: Float[Tensor, "*B N"], delta: Float[Tensor, "*B N"]
) -> Float[Tensor, "*B N+1"]:
    """Optical depth from the first edge to every edge (dimensionless, starts at 0)."""
    tau = sigma * delta
    return torch.cat([tau.new_zeros(*tau.shape[:-1], 1), tau.cumsum(dim=-1)], dim=-1)


def transmittance(
    sigma: Float[Tensor, "*B N"], delta: Float[Tensor, "*B N"]
) -> Float[Tensor, "*B N+1"]:
    """Transmittance at every edge: 1 at the first, the light left over at the last."""
    return torch.exp(-optical_depth(sigma, delta))


def alpha(sigma: Float[Tensor, "*B N"], delta: Float[Tensor, "*B N"]) -> Float[Tensor, "*B N"]:
    """Opacity of each cell by itself, 1 - exp(-sigma delta), in [0, 1]."""
    return -torch.expm1(-sigma * delta)


def weights(sigma: Float[Tensor, "*B N"], delta: Float[Tensor, "*B N"]) -> Float[Tensor, "*B N"]:
    """Probability that a ray ends in each cell: T at its near edge times its alpha."""
    # T_i alpha_i rather than T_i - T_{i+1}, which cancels in thin media.
    return transmittance(sigma, delta)[..., :-1] * alpha(sigma, delta)


def alpha_weights(alpha: Float[Tensor, "*B N"]) -> Float[Tensor, "*B N"]:
    """Probability that a ray ends in each cell, from the opacities of the cells, in [0, 1].

    For models that give an opacity and no density; a cell of opacity 1 ends every ray.
    """
    left = torch.cat([torch.ones_like(alpha[..., :1]), 1 - alpha[..., :-1]], dim=-1)
    return left.cumprod(dim=-1) * alpha


def opacity(w: Float[Tensor, "*B N"]) -> Float[Tensor, "*B"]:
    """Probability that a ray ends anywhere on its cells, in [0, 1]."""
    return w.sum(dim=-1)


def composite(
    w: Float[Tensor, "*B N"],
    values: Float[Tensor, "*B N C"],
    background: Float[Tensor, "*#B C"],
) -> Float[Tensor, "*B C"]:
    """Expected value along the ray, over a background (one for all rays, or one each).

    Colours are straight; pass a background of zeros for the premultiplied colour alone.
    """
    color = (w[..., None] * values).sum(dim=-2)
    return color + (1 - opacity(w))[..., None] * background


def midpoints(edges: Float[Tensor, "*B E"]) -> Float[Tensor, "*B E-1"]:
    """Centres of the cells."""
    return 0.5 * (edges[..., :-1] + edges[..., 1:])


def hit_points(
    sigma: Float[Tensor, "*B N"], edges: Float[Tensor, "*B N+1"]
) -> Float[Tensor, "*B N"]:
    """Exact mean of where a ray ends within each cell, given that it ends there.

    t_i + 1/sigma_i - delta_i / (exp(sigma_i delta_i) - 1); the midpoint as sigma_i -> 0.
    """
    delta = edges[..., 1:] - edges[..., :-1]
    tau = sigma * delta
    thin = tau < 0.1
    # 1/x - 1/expm1(x) cancels for small x: there its Taylor series, good to 1e-13.
    x = torch.where(thin, tau, 0.0)
    series = 0.5 - x / 12 + x**3 / 720 - x**5 / 30240
    x = torch.where(thin, 1.0, tau)
    fraction = torch.where(thin, series, 1 / x - torch.exp(-x) / -torch.expm1(-x))
    return edges[..., :-1] + fraction * delta


def expected_depth(w: Float[Tensor, "*B N"], t: Float[Tensor, "*B N"]) -> Float[Tensor, "*B"]:
    """Mean distance at which a ray ends, given that it ends; 0 where opacity is 0.

    `t` places the light of each cell: `midpoints` (second order) or `hit_points` (exact).
    """
    total = opacity(w)
    return (w * t).sum(dim=-1) / torch.where(total > 0, total, 1.0)


def median_depth(
    sigma: Float[Tensor, "*B N"], edges: Float[Tensor, "*B N+1"]
) -> Float[Tensor, "*B"]:
    """Distance at which T falls to 1/2, exact within the cell; 0 where it never does."""
    depth = optical_depth(sigma, edges[..., 1:] - edges[..., :-1])
    reached = depth[..., 1:] >= math.log(2)
    cell = reached.to(torch.uint8).argmax(dim=-1, keepdim=True)
    missing = math.log(2) - depth.gather(-1, cell)
    found = reached.any(dim=-1)
    density = torch.where(found, sigma.gather(-1, cell)[..., 0], 1.0)
    median = edges.gather(-1, cell)[..., 0] + missing[..., 0] / density
    return torch.where(found, median, 0.0)
