"""Multiresolution hash encoding: Instant-NGP, Mueller et al. 2022, arXiv:2201.05989, Sec. 3.

The readable form, in torch on any device; `kernels.hash_encode` is the compiled one for CPUs.
Departures: none in the encoding. Coordinates outside the unit cube use the nearest cell.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from rayfield.kernels.hash_encode import Levels
from rayfield.kernels.pool import zeros

_PRIMES = (1, 2654435761, 805459861)
_CORNERS = [(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)]


class HashGrid(nn.Module):
    """Features of a point in [0, 1]^3 by trilinear interpolation in `levels` tables.

    Level l has resolution floor(base * b^l), b chosen so that the last is `finest`. A level whose
    (N + 1)^3 corners fit into `entries` (a power of two) is stored densely, others are hashed.
    Output: `levels * features` numbers. Table entries start uniform in +-1e-4.
    """

    def __init__(
        self,
        *,
        levels: int,
        features: int,
        entries: int,
        base: int,
        finest: int,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        if entries & (entries - 1) or entries < 1:
            raise ValueError(f"entries: expected a power of two, got {entries}")
        growth = (finest / base) ** (1 / max(levels - 1, 1))
        self.resolutions = [int(base * growth**level + 1e-6) for level in range(levels)]
        corners = [(n + 1) ** 3 for n in self.resolutions]
        self.dense = [count <= entries for count in corners]
        self.sizes = [min(count, entries) for count in corners]
        self.starts = [sum(self.sizes[:level]) for level in range(levels)]
        self.active = levels  # coarse to fine: levels beyond read as zero, and do not learn
        table = zeros((sum(self.sizes), features))
        self.table = nn.Parameter(table.uniform_(-1e-4, 1e-4, generator=generator))

    def levels(self) -> Levels:
        """The active tables' layout as the kernels take it."""
        layout = (self.resolutions, self.starts, self.sizes, self.dense)
        return Levels(*(np.array(column[: self.active], np.int64) for column in layout))

    def rows(self, level: int, corner: Int[Tensor, "N 3"]) -> Int[Tensor, " N"]:
        """Table row of integer grid corners of a level."""
        x, y, z = corner.unbind(-1)
        if self.dense[level]:
            side = self.resolutions[level] + 1
            return self.starts[level] + x + side * (y + side * z)
        mixed = (x * _PRIMES[0]) ^ (y * _PRIMES[1]) ^ (z * _PRIMES[2])
        return self.starts[level] + (mixed & (self.sizes[level] - 1))

    def forward(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, "N F"]:
        """Encode points in [0, 1]^3."""
        table, out = self.table, []
        for level, resolution in enumerate(self.resolutions):
            if level >= self.active:
                out.append(points.new_zeros(len(points), table.shape[1]))
                continue
            scaled = points * resolution
            cell = scaled.detach().long().clamp(0, resolution - 1)
            fraction = scaled - cell
            total = points.new_zeros(len(points), table.shape[1])
            for offset in _CORNERS:
                step = torch.tensor(offset, device=points.device)
                weight = torch.where(step == 1, fraction, 1 - fraction).prod(-1)
                total = total + weight[:, None] * table[self.rows(level, cell + step)]
            out.append(total)
        return torch.cat(out, -1)
