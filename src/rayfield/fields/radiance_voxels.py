"""Density and colour on a lattice, and which of its cells are worth asking.

Direct Voxel Grid Optimization, Sun, Sun, Chen 2022, arXiv:2111.11215: density is the softplus of an
interpolated value (eq. 6) plus a shift (eq. 9).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rayfield.fields.voxels import Voxels, shift_of


class RadianceVoxels(nn.Module):
    """The lattice (raw density, RGB logits) and which cells are worth asking."""

    def __init__(self, cells: int, doublings: int, *, alpha: float) -> None:
        super().__init__()
        self.voxels = Voxels(cells, doublings, 4)
        self.shift = shift_of(alpha)
        self.unit = 2 / self.voxels.sides[-1]  # length over which `alpha` and `sparse` are meant
        self.coarse = min(doublings, 1)
        self.occupied: Tensor
        side = self.voxels.sides[self.coarse]
        self.register_buffer("occupied", torch.ones((side,) * 3, dtype=torch.bool))

    def density(self, raw: Tensor) -> Tensor:
        """Density in 1 / scene unit."""
        return functional.softplus(raw + self.shift) / self.unit

    def field(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Density and RGB of points in the cube."""
        raw, rgb = self.voxels(points).split((1, 3), dim=1)
        return self.density(raw[:, 0]), rgb.sigmoid()

    def worth(self, points: Tensor) -> Tensor:
        """Whether points lie in occupied cells."""
        side = len(self.occupied)
        x, y, z = ((points + 1) * (side / 2)).long().clamp(0, side - 1).unbind(1)
        return self.occupied[x, y, z]

    @torch.no_grad()
    def look(self, sparse: float) -> None:
        """Mark the cells with a corner whose opacity over `unit` is at least `sparse`."""
        depth = functional.softplus(self.voxels.lattice()[..., 0] + self.shift)
        stage = int(self.voxels.active) - self.coarse
        stride = 2 ** max(stage, 0)
        most = functional.max_pool3d(depth[None, None], stride + 1, stride)[0, 0]
        if stage < 0:
            most = most.repeat_interleave(2, 0).repeat_interleave(2, 1).repeat_interleave(2, 2)
        self.occupied.copy_(-torch.expm1(-most) >= sparse)
