"""The terms by which a surface is learned from photos.

Colour and mask terms as in NeuS (Wang et al. 2021, arXiv:2106.10689, Sec. 3.3), on a random
background where photos have alpha; the eikonal term; and a bending energy by differences of
gradients at two points nearby, which is Neuralangelo's curvature term (Li et al. 2023,
arXiv:2306.03092, eq. 4) of the whole Hessian.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn.functional import binary_cross_entropy

from rayfield.core.types import Rendered
from rayfield.objectives.geometric import eikonal

CERTAIN = 1e-5  # opacities nearer to 1 count as that; less would not let go of errors
NOTHING = 1e-12  # those nearer to 0: a surface that was lost is drawn back by what is left of it


def photo_terms(
    seen: Rendered, rgba: Float[Tensor, "R 4"], *, alpha: bool, mask: float, generator: Generator
) -> dict[str, Tensor]:
    """Mean absolute error of colour, and `mask` times the cross-entropy of opacity and alpha.

    `seen` is over black. Where photos have no `alpha`, colour is compared as it is.
    """
    rgb, covered = rgba.split((3, 1), dim=-1)
    if not alpha:
        return {"color": (seen.color - rgb).abs().mean()}
    background = torch.rand(rgb.shape, generator=generator).to(rgb.device)
    color = seen.color + background * (1 - seen.opacity[:, None])
    terms = {"color": (color - rgb * covered - background * (1 - covered)).abs().mean()}
    if mask:
        opacity = seen.opacity.clamp(NOTHING, 1 - CERTAIN)
        terms["mask"] = mask * binary_cross_entropy(opacity, covered[:, 0])
    return terms


def shape_terms(
    gradient: Float[Tensor, "N 3"],
    pairs: tuple[Float[Tensor, "K 3"], Float[Tensor, "K 3"]],
    *,
    slope: float,
    bending: float,
) -> dict[str, Tensor]:
    """The eikonal term of the distance's gradient times `slope`, and the mean squared difference
    of `pairs` of gradients at points nearby times `bending`."""
    here, nearby = pairs
    apart = (here - nearby).square().sum() / max(len(here), 1)
    return {"eikonal": slope * eikonal(gradient), "bending": bending * apart}
