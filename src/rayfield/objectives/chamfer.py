"""The Chamfer distance of two sets of points, as something to minimise."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from rayfield.geometry.distance import nearest


def chamfer(found: Float[Tensor, "N 3"], target: Float[Tensor, "M 3"]) -> Float[Tensor, ""]:
    """Mean squared distance to the nearest neighbour, from found to target plus the other way.

    A Point Set Generation Network, Fan, Su, Guibas 2017, arXiv:1612.00603, eq. 1, with means for
    sums. Which neighbour is nearest has no gradient, so that of one term is 2 (p - q) / N.
    """
    ours, theirs = (x.detach().double().numpy() for x in (found, target))
    there = torch.from_numpy(nearest(ours, theirs).neighbour)
    back = torch.from_numpy(nearest(theirs, ours).neighbour)
    accuracy = (found - target[there]).square().sum(dim=1).mean()
    return accuracy + (target - found[back]).square().sum(dim=1).mean()
