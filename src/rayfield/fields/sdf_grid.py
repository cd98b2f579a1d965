"""A signed distance on a multiresolution hash grid, with its spatial gradient and features.

A hash grid (Mueller et al. 2022, arXiv:2201.05989, Sec. 3) and a network of one hidden layer, as
in Instant-NGP's and Neuralangelo's (Li et al. 2023, arXiv:2306.03092) distance fields. `twin` is
the readable form, differentiated twice by torch; `forward` runs the compiled `kernels.sdf` where
it can.
Departures: the sphere to start from is added to the network's output instead of being built into
its weights; ReLU with a rounded knee instead of softplus; no biases.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from rayfield.fields.hashgrid import HashGrid
from rayfield.fields.mlp import MLP
from rayfield.kernels import sdf_function
from rayfield.kernels.gemm import ROWS as BLOCK
from rayfield.kernels.hash_encode import FEATURES, Levels
from rayfield.kernels.sdf import KNEE

CENTRE = 0.5


class Distance(NamedTuple):
    """value [N] (negative inside), its gradient [N, 3] and features [N, F] of points."""

    value: Tensor
    gradient: Tensor
    features: Tensor


class SDFGrid(nn.Module):
    """f(x) = |x - c| - radius + network(grid(x)), x in the unit cube, c its centre.

    Lengths are those of the unit cube. At first the network is nearly zero: f is a sphere's
    distance. Double backward is not offered, nor are gradients with respect to the points:
    losses may depend on value, gradient and features, and are differentiated once.
    """

    def __init__(
        self,
        grid: HashGrid,
        width: int,
        *,
        radius: float = 0.35,
        features: int = 0,
        generator: Generator | None = None,
    ) -> None:
        super().__init__()
        inputs = len(grid.resolutions) * grid.table.shape[1]
        self.grid = grid
        self.mlp = MLP(inputs, width, 1 + features, generator=generator)
        self.radius = radius
        self.active: Tensor
        self.register_buffer("active", torch.tensor(len(grid.resolutions)))
        self._engine = sdf_function.Engine()

    def matrices(self) -> tuple[Tensor, Tensor]:
        """The network's two matrices, [width, inputs] and [1 + features, width]."""
        hidden, out = self.mlp.matrices
        return hidden, out

    def activate(self, levels: int) -> None:
        """From now on the finer levels read as zero; kept with the parameters."""
        self.active.fill_(levels)

    def levels_within(self, resolution: float) -> int:
        """How many levels, one at least, are no finer than that."""
        return max(1, sum(n <= resolution for n in self.grid.resolutions))

    def finest_cell(self) -> float:
        """The side of a cell of the finest active level."""
        return 1 / self.grid.resolutions[int(self.active) - 1]

    def compiled(self) -> bool:
        """Whether the kernels serve this field; where not, the readable form runs."""
        table = self.grid.table
        fits = table.shape[1] == FEATURES and not any(n % BLOCK for n in self.mlp.matrices[0].shape)
        return fits and table.device.type == "cpu" and table.dtype == torch.float32

    def forward(self, points: Float[Tensor, "N 3"]) -> Distance:
        """Value, gradient and features, all differentiable with respect to the parameters."""
        if not self.compiled():
            return self.twin(points)
        levels, table = self._levels(), self.grid.table
        found = sdf_function.Evaluate.apply(self._engine, levels, points, table, *self.matrices())
        value, gradient, features = found
        base, direction = self._sphere(points)
        return Distance(value + base, gradient + direction, features)

    def twin(self, points: Float[Tensor, "N 3"]) -> Distance:
        """`forward` in plain torch; the gradient by automatic differentiation."""
        graph = torch.is_grad_enabled()
        with torch.enable_grad():
            points = points.detach().requires_grad_()
            out = self._network(points)
            (gradient,) = torch.autograd.grad(out[:, 0].sum(), points, create_graph=graph)
        base, direction = self._sphere(points.detach())
        return Distance(out[:, 0] + base, gradient + direction, out[:, 1:])

    @torch.no_grad()
    def distance(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        """The value alone, without gradients: what a surface is extracted from."""
        base, _ = self._sphere(points)
        if not self.compiled():
            return self._network(points)[:, 0] + base
        levels, table = self._levels(), self.grid.table
        return sdf_function.values(levels, points, table, self.matrices()) + base

    def _levels(self) -> Levels:
        self.grid.active = int(self.active)
        return self.grid.levels()

    def _network(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, "N O"]:
        self.grid.active = int(self.active)
        hidden, out = self.mlp.matrices
        return rounded_relu(self.grid(points) @ hidden.T) @ out.T

    def _sphere(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """The distance of the sphere to start from, and its gradient (0 at the centre)."""
        away = points - CENTRE
        length = away.norm(dim=-1)
        return length - self.radius, away / length.clamp_min(1e-6)[:, None]


def rounded_relu(x: Float[Tensor, "*N"]) -> Float[Tensor, "*N"]:
    """max(x, 0) - k/4, with the parabola (x + k)^2 / 4k - k/4 over |x| < k = KNEE.

    Its slope is continuous, and it is zero at zero.
    """
    inner = x.clamp(-KNEE, KNEE) + KNEE
    return inner.square() / (4 * KNEE) - KNEE / 4 + (x - KNEE).clamp_min(0)
