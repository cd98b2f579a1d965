"""Media whose rendering integral is known in closed form, and light paths through them.

The oracles of the quadrature study.
Each gives the expected value of `value` at the point where light on a ray ends (0 where it does
not end): C = integral of T(t) sigma(t) value(t) dt over [start, end].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

ProfileFn = Callable[[Float[Tensor, "P N"]], Float[Tensor, "P N"]]
RAYS = 64  # through the ball


class Medium(NamedTuple):
    """P rays through one medium: `exact` [P] is what each of them gives.

    `asks` says what is computed; `most` is a bound on the density, 1/length.
    """

    name: str
    asks: str
    sigma: ProfileFn
    value: ProfileFn
    start: float
    end: float
    exact: Float[Tensor, " P"]
    most: float


def all_media() -> tuple[Medium, ...]:
    """Slab, two slabs, ramp, exponential, Gaussian, ball."""
    return (slab(), two_slabs(), ramp(), exponential(), gaussian(), ball())


def slab(density: float = 3.0, length: float = 1.0) -> Medium:
    """Constant density: C = 1 - exp(-s L)."""
    exact = -math.expm1(-density * length)
    return Medium(
        "slab", "opacity", lambda t: torch.full_like(t, density), torch.ones_like,
        0.0, length, _one(exact), density,
    )  # fmt: skip


def two_slabs(first: float = 6.0, second: float = 10.0) -> Medium:
    """Slabs of colour 0.9 and 0.3 on the second and the last quarter of [0, 1].

    C = a1 c1 + (1 - a1) a2 c2 with a_k = 1 - exp(-s_k L_k).
    """
    a1, a2 = (-math.expm1(-s * 0.25) for s in (first, second))

    def sigma(t: Tensor) -> Tensor:
        return first * ((t >= 0.25) & (t < 0.5)).to(t) + second * (t >= 0.75).to(t)

    return Medium(
        "two slabs and a gap", "colour", sigma, lambda t: 0.3 + 0.6 * (t < 0.6).to(t),
        0.0, 1.0, _one(a1 * 0.9 + (1 - a1) * a2 * 0.3), max(first, second),
    )  # fmt: skip


def ramp(slope: float = 4.0, length: float = 1.0) -> Medium:
    """Density k t, the mean of t: sqrt(pi / 2k) erf(L sqrt(k / 2)) - L exp(-k L^2 / 2)."""
    mean = math.sqrt(math.pi / (2 * slope)) * math.erf(length * math.sqrt(slope / 2))
    mean -= length * math.exp(-slope * length**2 / 2)
    return Medium(
        "linear ramp", "depth", lambda t: slope * t, torch.clone,
        0.0, length, _one(mean), slope * length,
    )  # fmt: skip


def exponential(density: float = 6.0, decay: float = 2.0, length: float = 2.0) -> Medium:
    """Density a exp(-b t): C = 1 - exp(-(a / b)(1 - exp(-b L)))."""
    tau = density / decay * -math.expm1(-decay * length)
    return Medium(
        "exponential fog", "opacity", lambda t: density * torch.exp(-decay * t), torch.ones_like,
        0.0, length, _one(-math.expm1(-tau)), density,
    )  # fmt: skip


def gaussian(density: float = 3.0, middle: float = 1.0, spread: float = 0.3) -> Medium:
    """Density A exp(-(t - m)^2 / 2 v^2) between m - v and m + 2 v, by the error function."""
    part = 0.5 * (math.erf(2 / math.sqrt(2)) + math.erf(1 / math.sqrt(2)))
    tau = density * spread * math.sqrt(2 * math.pi) * part
    return Medium(
        "Gaussian cloud", "opacity",
        lambda t: density * torch.exp(-0.5 * ((t - middle) / spread) ** 2), torch.ones_like,
        middle - spread, middle + 2 * spread, _one(-math.expm1(-tau)), density,
    )  # fmt: skip


def ball(density: float = 2.0, radius: float = 1.0) -> Medium:
    """A homogeneous ball met by RAYS parallel rays at distances p from its centre.

    C = 1 - exp(-2 s sqrt(R^2 - p^2)); the cells do not end at its border.
    """
    p = (torch.arange(RAYS, dtype=torch.float64)[:, None] + 0.5) / RAYS * radius
    chord = 2 * (radius**2 - p**2).sqrt()
    return Medium(
        "ball, cells across its border", "opacity",
        lambda t: density * (t**2 + p**2 < radius**2).to(t), torch.ones_like,
        -1.3 * radius, 1.4 * radius, -torch.expm1(-density * chord)[:, 0], density,
    )  # fmt: skip


def free_paths(medium: Medium, paths: int, *, generator: torch.Generator) -> Float[Tensor, " Q"]:
    """The value at the end of random light paths, 0 for those that leave: about `paths` of them.

    Delta tracking: steps as in a medium of density `most` throughout, each step's end accepted
    with probability sigma / most.
    """
    rays = len(medium.exact)
    shape = (rays, max(1, paths // rays))
    t = torch.full(shape, medium.start, dtype=torch.float64)
    value = torch.zeros(shape, dtype=torch.float64)
    flying = torch.ones(shape, dtype=torch.bool)
    while bool(flying.any()):
        u = torch.rand(shape, generator=generator, dtype=torch.float64)
        t = torch.where(flying, t - torch.log1p(-u) / medium.most, t)
        flying &= t < medium.end
        u = torch.rand(shape, generator=generator, dtype=torch.float64)
        hit = flying & (u * medium.most < medium.sigma(t))
        value = torch.where(hit, medium.value(t), value)
        flying &= ~hit
    return value.T.flatten()  # any first part of it holds every ray about equally often


def _one(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)
