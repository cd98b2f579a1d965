"""Shrinking pictures by a whole factor, differentiably: windowed-sinc filtering, then decimation;
and what a larger picture must be changed by to become a given one when it is shrunk.

Duchon 1979, "Lanczos filtering in one and two dimensions"; as the fixed downsampler of Ulyanov,
Vedaldi, Lempitsky 2018 (deep image prior), arXiv:1711.10925.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

LOBES = 2  # zeros of the sinc on each side
ROUNDS = 12  # of conjugate gradients; each leaves about a third of the error
NOTHING = 1e-30  # sum of squared errors, which is soon zero in float32


def lanczos_kernel(factor: int) -> Float[Tensor, " K"]:
    """Lanczos2 weights of the pixels around the centre of a block of `factor` pixels; sum 1.

    K = 4 factor for an even factor, whose blocks are centred between two pixels (the authors'
    kernel of width 4 factor + 1 with phase 0.5), else 4 factor + 1, the outermost two zero.
    """
    width = 2 * LOBES * factor + factor % 2
    x = (torch.arange(width, dtype=torch.float64) - (width - 1) / 2) / factor
    kernel = torch.sinc(x) * torch.sinc(x / LOBES)
    return (kernel / kernel.sum()).float()


def downsample(image: Float[Tensor, "*B H W"], factor: int) -> Float[Tensor, "*B h w"]:
    """The picture at 1/factor of its height and width, which must be multiples of `factor`.

    Lanczos2 along rows and columns; beyond the border the outermost pixels are repeated. Constants
    are kept, and away from the border so are linear ramps, except for the ripple of Lanczos2
    (below 1 % of the step between two new pixels).
    """
    height, width = image.shape[-2:]
    if height % factor or width % factor:
        raise ValueError(f"{width}x{height} pixels are no multiple of the factor {factor}")
    kernel = lanczos_kernel(factor).to(image)
    border = (len(kernel) - factor) // 2
    padded = functional.pad(image.reshape(-1, 1, height, width), (border,) * 4, mode="replicate")
    rows = functional.conv2d(padded, kernel.view(1, 1, -1, 1), stride=(factor, 1))
    both = functional.conv2d(rows, kernel.view(1, 1, 1, -1), stride=(1, factor))
    return both.reshape(*image.shape[:-2], height // factor, width // factor)


@torch.no_grad()
def consistent(
    image: Float[Tensor, "*B H W"], small: Float[Tensor, "*B h w"], factor: int
) -> Float[Tensor, "*B H W"]:
    """The picture nearest to `image` that `downsample` turns into `small`.

    With D for downsampling it is x + D' (D D')^-1 (small - D x), the projection onto all such
    pictures; conjugate gradients solve it to about 1e-5 of the difference.
    """
    with torch.enable_grad():
        probe = torch.zeros_like(image).requires_grad_()
        shrunk = downsample(probe, factor)

    def enlarged(r: Tensor) -> Tensor:
        return torch.autograd.grad(shrunk, probe, r, retain_graph=True)[0]

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum()

    left = small - downsample(image, factor)
    solution, way, size = torch.zeros_like(left), left, dot(left, left)
    for _ in range(ROUNDS):
        if size < NOTHING:  # as of a constant picture after one round
            break
        ahead = downsample(enlarged(way), factor)
        length = size / dot(way, ahead)
        solution, left = solution + length * way, left - length * ahead
        size, before = dot(left, left), size
        way = left + size / before * way
    return image + enlarged(solution)
