"""A hash-grid radiance field: density from position, colour from position and direction.

Instant-NGP, Mueller et al. 2022, arXiv:2201.05989, Sec. 5.4: a density network of one hidden
layer whose first output is the log density, and a colour network of two hidden layers on the
density network's outputs and the spherical harmonics of the direction. The readable form;
`kernels.radiance` is the compiled one.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from rayfield.fields.hashgrid import HashGrid
from rayfield.fields.mlp import MLP
from rayfield.kernels.fused import Renderer
from rayfield.kernels.gemm import ROWS as BLOCK
from rayfield.kernels.hash_encode import FEATURES
from rayfield.kernels.radiance import LOG_DENSITY_MAX, LOG_DENSITY_START
from rayfield.math import sh

GEOMETRY = 16  # outputs of the density network


class RadianceField(nn.Module):
    """Hash grid and two MLPs; points lie in the unit cube, directions are unit vectors."""

    def __init__(self, grid: HashGrid, width: int, *, generator: Generator | None = None) -> None:
        super().__init__()
        features = len(grid.resolutions) * grid.table.shape[1]
        self.grid = grid
        self.density_mlp = MLP(features, width, GEOMETRY, generator=generator)
        self.color_mlp = MLP(GEOMETRY + 16, width, width, 3, generator=generator)
        self._renderer: Renderer | None = None

    def matrices(self) -> tuple[Tensor, ...]:
        """The five matrices of both networks, in order."""
        return (*self.density_mlp.matrices, *self.color_mlp.matrices)

    def compiled(self) -> Renderer | None:
        """The compiled renderer of this field; None where only the readable form runs."""
        table = self.grid.table
        hidden = self.density_mlp.matrices[0]
        fits = table.shape[1] == FEATURES and not any(size % BLOCK for size in hidden.shape)
        if table.device.type != "cpu" or table.dtype != torch.float32 or not fits:
            return None
        if self._renderer is None or self._renderer.table is not table:
            self._renderer = Renderer(table)
        self._renderer.levels = self.grid.levels()
        return self._renderer

    def geometry(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, "N 16"]:
        """Outputs of the density network."""
        return self.density_mlp(self.grid(points))

    def density(self, geometry: Float[Tensor, "N 16"]) -> Float[Tensor, " N"]:
        """Density, 1/length: exp(first output - 1.5), capped at exp(15).

        Past the cap the gradient is that at the cap, so that a point can come back.
        """
        raw = geometry[:, 0] + LOG_DENSITY_START
        return torch.exp(raw - (raw - LOG_DENSITY_MAX).clamp_min(0).detach())

    def color(
        self, geometry: Float[Tensor, "N 16"], directions: Float[Tensor, "N 3"]
    ) -> Float[Tensor, "N 3"]:
        """RGB in [0, 1]."""
        inputs = torch.cat([geometry, sh.harmonics(directions)], -1)
        return torch.sigmoid(self.color_mlp(inputs))
