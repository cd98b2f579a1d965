"""How bright each photo is: a gain for each of its colours, learned with the scene.

Cameras that choose their exposure and white balance anew show one thing in many colours. NeRF in
the Wild (Martin-Brualla et al. 2021, arXiv:2008.02268) gives every photo a code of its appearance;
this is its least form, which cannot hide anything but brightness.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


def log_gains(photos: int) -> nn.Parameter:
    """Gains of so many photos before anything is learned, as logarithms [photos, 3]: all 1."""
    return nn.Parameter(torch.zeros(photos, 3))


def exposed(
    color: Float[Tensor, "R 3"], gains: Float[Tensor, "P 3"] | None, image: Int[Tensor, " R"]
) -> Float[Tensor, "R 3"]:
    """Colours over black as photos number `image` show them, given the `log_gains` if any are.

    The geometric mean of all gains is 1, which fixes how bright the scene itself is.
    """
    if gains is None or not len(gains):
        return color
    return color * torch.exp((gains - gains.mean(dim=0))[image])
