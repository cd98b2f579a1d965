"""A surface with colours: a signed distance on a hash grid, and a network for the light it sends.

The two networks of IDR (Yariv et al. 2020, arXiv:2003.09852, Sec. 3.2), as NeuS, VolSDF and UNISURF
have them: geometry gives a distance and a code; colour is a function of code, normal and direction.
Departures: a hash grid and small networks (as Neuralangelo's, Li et al. 2023, arXiv:2306.03092);
the normal is made unit; directions enter as spherical harmonics; colour is not told the position.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from rayfield.fields.hashgrid import HashGrid
from rayfield.fields.mlp import MLP
from rayfield.fields.sdf_grid import Distance, SDFGrid
from rayfield.math import sh

CODE = 15  # numbers of a point that its colour is made from, beside normal and direction
SHORTEST = 1e-6  # of the gradients that have a direction


class SurfaceField(nn.Module):
    """Points lie in the unit cube, whose lengths are those of the distance; directions are unit."""

    def __init__(
        self, grid: HashGrid, width: int, *, radius: float, generator: Generator | None = None
    ) -> None:
        super().__init__()
        self.sdf = SDFGrid(grid, width, radius=radius, features=CODE, generator=generator)
        self.color_mlp = MLP(CODE + 3 + 16, width, width, 3, generator=generator)

    def tables(self) -> list[nn.Parameter]:
        """The grid's table."""
        return [self.sdf.grid.table]

    def matrices(self) -> list[nn.Parameter]:
        """Those of both networks."""
        return [*self.sdf.mlp.matrices, *self.color_mlp.matrices]

    def forward(self, points: Float[Tensor, "N 3"]) -> Distance:
        """Distance, its gradient and the code of points."""
        return self.sdf(points)

    def distance(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """The value alone, without gradients."""
        return self.sdf.distance(points)

    def activate(self, levels: int) -> None:
        """From now on the finer levels read as zero."""
        self.sdf.activate(levels)

    def nearby(self) -> float:
        """A distance at which points are neighbours: a cell of the finest active level."""
        return self.sdf.finest_cell()

    def color(self, found: Distance, directions: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
        """RGB in [0, 1] of points that `forward` found, seen along directions."""
        length = found.gradient.norm(dim=-1, keepdim=True).clamp_min(SHORTEST)
        normals = found.gradient / length
        inputs = torch.cat([found.features, normals, sh.harmonics(directions)], -1)
        return torch.sigmoid(self.color_mlp(inputs))
