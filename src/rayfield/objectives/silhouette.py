"""How far soft silhouettes are from those of photos."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

TINY = 1e-6


def soft_iou_loss(found: Float[Tensor, " N"], alpha: Float[Tensor, " N"]) -> Float[Tensor, ""]:
    """1 - sum(S M) / sum(S + M - S M) over the pixels given: in [0, 1], 0 for equal binary masks.

    Soft Rasterizer, Liu et al. 2019, arXiv:1904.01786, eq. 8.
    """
    both = (found * alpha).sum()
    return 1 - both / ((found + alpha).sum() - both + TINY)
