"""Values on the nodes of a lattice over the cube [-1, 1]^3, trilinear between them.

The lattice is doubled as training goes: each stage has its own table, and the next one starts as
the same function on twice as many cells a side.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

_CORNERS = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]


class Voxels(nn.Module):
    """Tables [nodes^3 C] of `cells` * 2^s cells a side for the stages s = 0 ... `doublings`.

    Only the table of the present stage is used; all start as zero. `active` is that stage.
    """

    def __init__(self, cells: int, doublings: int, channels: int) -> None:
        super().__init__()
        self.sides = [cells * 2**stage for stage in range(doublings + 1)]
        self.tables = nn.ParameterList(
            nn.Parameter(torch.zeros((side + 1) ** 3, channels)) for side in self.sides
        )
        self.active: Tensor
        self.register_buffer("active", torch.tensor(0))

    @property
    def table(self) -> nn.Parameter:
        """The table in use."""
        return self.tables[int(self.active)]

    @property
    def side(self) -> int:
        """Cells a side of the table in use."""
        return self.sides[int(self.active)]

    def lattice(self) -> Float[Tensor, "X Y Z C"]:
        """The table in use as an array."""
        nodes = self.side + 1
        return self.table.view(nodes, nodes, nodes, -1)

    def forward(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, "N C"]:
        """Values at points of the cube; outside of it, those of the nearest point inside."""
        return interpolate(self.table, self.side, points)

    @torch.no_grad()
    def grow(self, stage: int) -> bool:
        """Go on to the stage, if it is a later one, and say so; the function stays as it is."""
        later = int(self.active) < stage
        while int(self.active) < stage:
            finer = doubled(self.lattice())
            self.active += 1
            self.table.copy_(finer.flatten(0, 2))
        return later


def interpolate(
    table: Float[Tensor, "M C"], side: int, points: Float[Tensor, "N 3"]
) -> Float[Tensor, "N C"]:
    """Trilinear interpolation of the nodes of `side`^3 cells, z fastest; weights add up to 1."""
    scaled = ((points + 1) * (side / 2)).clamp(0, side)
    cell = scaled.detach().long().clamp(0, side - 1)
    fraction = scaled - cell
    corners = torch.tensor(_CORNERS, device=points.device)
    nodes = side + 1
    first = (cell[:, 0] * nodes + cell[:, 1]) * nodes + cell[:, 2]
    rows = first[:, None] + (corners[:, 0] * nodes + corners[:, 1]) * nodes + corners[:, 2]
    x, y, z = (torch.stack([1 - f, f], dim=1) for f in fraction.unbind(1))
    weights = (x[:, :, None, None] * y[:, None, :, None] * z[:, None, None, :]).flatten(1)
    if not points.requires_grad:  # one pass over memory, but no gradient of the weights in bulk
        return functional.embedding_bag(rows, table, per_sample_weights=weights, mode="sum")
    return (table[rows] * weights[..., None]).sum(dim=1)


def doubled(lattice: Float[Tensor, "X Y Z C"]) -> Float[Tensor, "U V W C"]:
    """The same trilinear function on half as long cells: old nodes keep their values."""
    size = [2 * n - 1 for n in lattice.shape[:3]]
    moved = lattice.permute(3, 0, 1, 2)[None]
    moved = functional.interpolate(moved, size, mode="trilinear", align_corners=True)
    return moved[0].permute(1, 2, 3, 0).contiguous()


def shift_of(alpha: float) -> float:
    """What to add to raw 0 so that softplus gives one cell this opacity: log(1 / (1 - a) - 1).

    Sun, Sun, Chen 2022 (DVGO), arXiv:2111.11215, eq. 9.
    """
    return math.log(math.expm1(-math.log1p(-alpha)))


@torch.no_grad()
def around(voxels: Voxels, radius: float) -> Voxels:
    """Lattices of one value, set to the distance from the sphere about the origin."""
    for side, table in zip(voxels.sides, voxels.tables, strict=True):
        axis = torch.linspace(-1, 1, side + 1)
        table.copy_(torch.cartesian_prod(axis, axis, axis).norm(dim=1, keepdim=True) - radius)
    return voxels
