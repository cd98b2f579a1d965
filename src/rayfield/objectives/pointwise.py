"""How far predicted values are from known ones, sample by sample."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

Misfit = Literal["mse", "bce"]


def misfit(
    raw: Float[Tensor, "N C"],
    values: Float[Tensor, "N C"],
    keep: Bool[Tensor, " N"],
    *,
    kind: Misfit,
) -> dict[str, Float[Tensor, ""]]:
    """The mean misfit of sigmoid(raw) over the samples to `keep`, under the name of its kind.

    "mse": squared error; "bce": binary cross entropy of occupancies, from the logits. 0 where
    nothing is kept.
    """
    share = keep.to(raw.dtype)[:, None] / (keep.sum().clamp_min(1) * raw.shape[1])
    if kind == "bce":
        each = functional.binary_cross_entropy_with_logits(raw, values, reduction="none")
    else:
        each = (raw.sigmoid() - values).square()
    return {kind: (each * share).sum()}


def iou(occupancy: Float[Tensor, "*S"], inside: Bool[Tensor, "*S"]) -> Float[Tensor, ""]:
    """Intersection over union of {occupancy > 0.5} and `inside`; 1 where both are empty."""
    found = occupancy > 0.5
    union = (found | inside).sum()
    return ((found & inside).sum() / union.clamp_min(1)).masked_fill(union == 0, 1.0)


def clamped_error(
    found: Float[Tensor, "*S"], true: Float[Tensor, "*S"], clamp: float
) -> Float[Tensor, ""]:
    """Mean |clamp(found) - clamp(true)| (Park et al. 2019, eq. 4); `clamp` is the largest distance
    that counts, so there is no gradient where both are beyond it on the same side."""
    return (found.clamp(-clamp, clamp) - true.clamp(-clamp, clamp)).abs().mean()
