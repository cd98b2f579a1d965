"""Histograms on a line: how weights on the bins of a ray become places to look at.

Names, as everywhere: `edges` [*B E] cut a line into E - 1 bins, in ascending order; `w` [*B E-1]
are the bins' weights, >= 0; `F` [*B E] is the cumulative distribution at the edges, from 0 to 1;
`u` are places in [0, 1] on its scale. Leading axes *B are histograms side by side.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Generator, Tensor

PADDING = 1e-5  # added to every weight, and the least share of a bin that is divided by


def pdf(edges: Float[Tensor, "*B E"], w: Float[Tensor, "*B N"]) -> Float[Tensor, "*B N"]:
    """Height of each bin: its weight by its width; 0 for a bin without width."""
    width = edges.diff(dim=-1)
    return torch.where(width > 0, w / torch.where(width > 0, width, 1.0), 0.0)


def cdf(w: Float[Tensor, "*B N"]) -> Float[Tensor, "*B E"]:
    """Share of all weight that lies before each edge; the weights must not all be 0."""
    share = (w / w.sum(dim=-1, keepdim=True)).cumsum(dim=-1)
    return torch.cat([torch.zeros_like(share[..., :1]), share], dim=-1)


def invert(
    edges: Float[Tensor, "*B E"], F: Float[Tensor, "*B E"], u: Float[Tensor, "*B M"]
) -> Float[Tensor, "*B M"]:
    """Where a piecewise-linear distribution function reaches `u`.

    As in NeRF's released code, the place is the near edge plus (u - F) bin widths, not the share
    of the bin, in bins that hold less than 1e-5 of the weight.
    """
    above = torch.searchsorted(F.contiguous(), u.contiguous(), right=True)
    below = (above - 1).clamp_min(0)
    above = above.clamp_max(F.shape[-1] - 1)
    first, step = F.gather(-1, below), F.gather(-1, above) - F.gather(-1, below)
    fraction = (u - first) / torch.where(step < PADDING, 1.0, step)
    near, far = edges.gather(-1, below), edges.gather(-1, above)
    return near + fraction * (far - near)


def sample(
    edges: Float[Tensor, "*B E"],
    w: Float[Tensor, "*B N"],
    n: int,
    *,
    generator: Generator | None = None,
    stratified: bool = False,
) -> Float[Tensor, "*B {n}"]:
    """`n` places drawn from each histogram, every weight raised by 1e-5, without gradient.

    Mildenhall et al. 2020 (NeRF), arXiv:2003.08934, Sec. 5.2. Without generator at equal steps of
    u from 0 to 1. With one, `stratified` draws one place from each of n equal steps (ascending);
    else all are independent, as in the released code (in no order).
    """
    edges, w = edges.detach(), w.detach() + PADDING
    shape = (*w.shape[:-1], n)
    if generator is None:
        u = torch.linspace(0, 1, n, dtype=w.dtype, device=w.device).expand(shape)
    else:
        u = torch.rand(shape, generator=generator, dtype=w.dtype).to(w.device)
        if stratified:
            u = (torch.arange(n, dtype=w.dtype, device=w.device) + u) / n
    return invert(edges, cdf(w), u)


def merge(a: Float[Tensor, "*B N"], b: Float[Tensor, "*B M"]) -> Float[Tensor, "*B K"]:
    """All places of `a` and `b` in ascending order; K = N + M."""
    return torch.cat([a, b], dim=-1).sort(dim=-1).values
