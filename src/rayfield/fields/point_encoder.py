"""A code from a set of points: PointNet with residual blocks (Mescheder et al. 2019, supplement).

After Qi et al. 2017 (arXiv:1612.00593): the same network at every point, and the greatest value
over the points, so that their order does not matter; here also between the blocks.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from rayfield.fields.occupancy import ResidualBlock, uniform_linear

BLOCKS = 5


class PointEncoder(nn.Module):
    """Points [B, N, 3] to codes [B, C]; `hidden` is 512 in the paper."""

    def __init__(self, code: int, *, hidden: int, generator: Generator | None = None) -> None:
        super().__init__()
        self.input = uniform_linear(3, 2 * hidden, generator=generator)
        self.blocks = nn.ModuleList(
            ResidualBlock(2 * hidden, hidden, hidden=hidden, generator=generator)
            for _ in range(BLOCKS)
        )
        self.output = uniform_linear(hidden, code, generator=generator)

    def forward(self, points: Float[Tensor, "B N 3"]) -> Float[Tensor, "B C"]:
        """The codes."""
        first, *others = self.blocks
        x = first(self.input(points))
        for block in others:
            x = block(x, x.amax(dim=1, keepdim=True))
        return self.output(torch.relu(x.amax(dim=1)))
