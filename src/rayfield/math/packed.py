"""Volume-rendering quadrature on ragged rays: the packed twin of `math/quadrature.py`.

The live samples of all rays lie in one list of S slots; `ray` [S] says whose each is. The slots
of one ray are adjacent and run front to back; rays may own none. Names and formulas are those of
`math/quadrature.py`.

Precision: per-ray prefix sums are differences of one running sum over all slots, kept in float64
whatever the input, so a ray's sums are off by at most 1e-16 of the whole pack's (1e-7 of optical
depth for a million opaque samples, where transmittance is 0 anyway).
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rayfield.core.types import Samples
from rayfield.math import quadrature

# exp(-OPAQUE) is 0 even in float64: a cap on optical depth changes neither values nor gradients,
# and keeps one enormous density from drowning the running sum of the rays after it.
OPAQUE = 1000.0


def exclusive_sum(values: Float[Tensor, " S"], ray: Int[Tensor, " S"]) -> Float[Tensor, " S"]:
    """Sum of the values before each slot, within its ray, in float64."""
    before = torch.cat([values.new_zeros(1), values]).double().cumsum(dim=0)[:-1]
    return before - before[_first_slot(ray)]


def optical_depth(
    sigma: Float[Tensor, " S"], delta: Float[Tensor, " S"], ray: Int[Tensor, " S"]
) -> Float[Tensor, " S"]:
    """Optical depth in front of each sample (dimensionless; each sample adds 1000 at most)."""
    tau = (sigma * delta).clamp(max=OPAQUE)
    return exclusive_sum(tau, ray).to(tau.dtype)


def transmittance(
    sigma: Float[Tensor, " S"], delta: Float[Tensor, " S"], ray: Int[Tensor, " S"]
) -> Float[Tensor, " S"]:
    """Transmittance at the near end of each sample, in [0, 1]."""
    return torch.exp(-optical_depth(sigma, delta, ray))


def weights(
    sigma: Float[Tensor, " S"], delta: Float[Tensor, " S"], ray: Int[Tensor, " S"]
) -> Float[Tensor, " S"]:
    """Probability that a ray ends in each of its samples."""
    return transmittance(sigma, delta, ray) * quadrature.alpha(sigma, delta)


def ray_sum(
    values: Float[Tensor, " S *C"], ray: Int[Tensor, " S"], *, n_rays: int
) -> Float[Tensor, " {n_rays} *C"]:
    """Sum of the values of each ray's samples; 0 for a ray without any.

    Of the weights it is opacity [R].
    """
    return values.new_zeros(n_rays, *values.shape[1:]).index_add(0, ray, values)


def composite(
    w: Float[Tensor, " S"],
    values: Float[Tensor, "S C"],
    ray: Int[Tensor, " S"],
    *,
    background: Float[Tensor, "R C"],
) -> Float[Tensor, "R C"]:
    """Expected value along each ray over its background; the background where it has no sample."""
    n_rays = len(background)
    left = 1 - ray_sum(w, ray, n_rays=n_rays)
    return ray_sum(w[:, None] * values, ray, n_rays=n_rays) + left[:, None] * background


def expected_depth(
    w: Float[Tensor, " S"], t: Float[Tensor, " S"], ray: Int[Tensor, " S"], *, n_rays: int
) -> Float[Tensor, " {n_rays}"]:
    """Mean distance at which each ray ends, given that it ends; 0 where opacity is 0."""
    total = ray_sum(w, ray, n_rays=n_rays)
    return ray_sum(w * t, ray, n_rays=n_rays) / torch.where(total > 0, total, 1.0)


def distortion(
    w: Float[Tensor, " S"],
    start: Float[Tensor, " S"],
    end: Float[Tensor, " S"],
    *,
    ray: Int[Tensor, " S"],
    n_rays: int,
) -> Float[Tensor, " {n_rays}"]:
    """How spread out each ray's weights are: mip-NeRF 360 (Barron et al. 2022), eq. 15.

    sum_ij w_i w_j |m_i - m_j| + 1/3 sum_i w_i^2 delta_i with midpoints m, in units of `start` and
    `end`; 0 for a ray without samples. Linear in S: as midpoints increase along a ray, the double
    sum is 2 sum_i w_i (m_i sum_{j<i} w_j - sum_{j<i} w_j m_j).
    """
    middle = (0.5 * (start + end)).double()
    wide = w.double()
    between = 2 * wide * (middle * exclusive_sum(wide, ray) - exclusive_sum(wide * middle, ray))
    within = wide**2 * (end - start) / 3
    return ray_sum(between + within, ray, n_rays=n_rays).to(w.dtype)


def visible(
    sigma: Float[Tensor, " S"],
    delta: Float[Tensor, " S"],
    ray: Int[Tensor, " S"],
    *,
    threshold: float,
) -> Bool[Tensor, " S"]:
    """Samples that at least `threshold` of the light reaches.

    Compositing them alone changes a colour by at most threshold * max |colour - background|.
    """
    return transmittance(sigma, delta, ray) >= threshold


def scale_gradient(x: Tensor, share: Tensor) -> Tensor:
    """x, whose gradient is multiplied by `share`, e.g. of a sample by its distance (Philip &
    Deschaintre 2023, arXiv:2305.02756, eq. 3)."""
    return x * share + (x * (1 - share)).detach()


def select(samples: Samples, keep: Bool[Tensor, " S"]) -> Samples:
    """The samples marked in `keep`, packed again over the same rays."""
    ray = samples.ray[keep]
    count = torch.bincount(ray, minlength=len(samples.count)).to(samples.count.dtype)
    first = (count.cumsum(dim=0) - count).to(samples.first.dtype)
    return Samples(samples.start[keep], samples.end[keep], ray, first, count)


def _first_slot(ray: Int[Tensor, " S"]) -> Int[Tensor, " S"]:
    """For every slot, the first slot of its ray."""
    slot = torch.arange(len(ray), device=ray.device)
    opens = torch.ones_like(ray, dtype=torch.bool)
    opens[1:] = ray[1:] != ray[:-1]
    return torch.where(opens, slot, 0).cummax(dim=0).values if len(ray) else slot
