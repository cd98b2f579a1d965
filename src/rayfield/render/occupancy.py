"""An occupancy grid: where a scene is empty, so that rays need not look there.

Instant-NGP, Mueller et al. 2022, arXiv:2201.05989, Appendix E.1: a running maximum of density per
cell, decayed so that cells can become empty. Departures: one grid over the contracted scene
instead of cascades; densities met while rendering are fed back, which costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from rayfield.core.types import Rays, Samples
from rayfield.kernels import march as kernel
from rayfield.kernels.pool import pool
from rayfield.math.rays import contract

EVERY = 16

DensityFn = Callable[[Tensor], Tensor]


class Bar(NamedTuple):
    """What a cell needs to stay occupied, see `OccupancyGrid.threshold`: optical depth `depth`
    over `length`, and `photos` photos that looked into it."""

    length: float
    depth: float
    photos: int = 0


class OccupancyGrid(nn.Module):
    """`side`^3 cells over the cube [-limit, limit]^3 of the (contracted) scene; all start occupied.

    limit 1: the scene lies in [-1, 1]^3; limit 2: it is unbounded and contracted.
    """

    def __init__(self, side: int, *, contracted: bool) -> None:
        super().__init__()
        if side % 8:
            raise ValueError(f"side: expected a multiple of 8, got {side}")
        self.side = side
        self.limit = 2.0 if contracted else 1.0
        self.density: Tensor
        self.bits: Tensor
        self.bricks: Tensor
        self.photos: Tensor  # a bit for every eighth photo that looked into a cell
        self.register_buffer("density", torch.zeros(side**3))
        self.register_buffer("photos", torch.zeros(side**3, dtype=torch.uint8))
        self.register_buffer("bits", torch.full((side**3 // 8,), 255, dtype=torch.uint8))
        bricks = (side // kernel.BRICK) ** 3
        self.register_buffer("bricks", torch.ones(bricks, dtype=torch.uint8))

    def unit(self, points: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
        """Scene points to the unit cube of the field (contracted if the scene is unbounded)."""
        inside = contract(points) if self.limit > 1 else points
        return inside * (0.5 / self.limit) + 0.5

    def cells(self, unit: Float[Tensor, "N 3"]) -> Int[Tensor, " N"]:
        """Cell index of points of the unit cube, x fastest."""
        x, y, z = (unit * self.side).long().clamp(0, self.side - 1).unbind(-1)
        return x + self.side * (y + self.side * z)

    def occupied(self) -> Tensor:
        """Occupancy of every cell, bool [side^3]."""
        shifts = torch.arange(8, dtype=torch.uint8, device=self.bits.device)
        return ((self.bits[:, None] >> shifts) & 1).bool().view(-1)

    @torch.no_grad()
    def update(
        self,
        density: DensityFn,
        cells: Int[Tensor, " N"],
        *,
        decay: float,
        generator: Generator | None,
    ) -> None:
        """Decay the cells' densities and raise them to `density` (of unit-cube points [N, 3]).

        One point per cell: random with a generator, else its centre.
        """
        x, y, z = cells % self.side, cells // self.side % self.side, cells // self.side**2
        corner = torch.stack([x, y, z], -1)
        offset = torch.full(corner.shape, 0.5)
        if generator is not None:
            offset = torch.rand(corner.shape, generator=generator)
        offset = offset.to(corner.device)
        sampled = density(((corner + offset) / self.side).float())
        self.density[cells] = self.density[cells] * decay  # cells may repeat: decayed once
        self.density.scatter_reduce_(0, cells, sampled, "amax")

    @torch.no_grad()
    def observe(
        self, unit: Float[Tensor, "N 3"], sigma: Float[Tensor, " N"], image: Int[Tensor, " N"]
    ) -> None:
        """Raise cells to densities met while rendering, and note which photos look into them."""
        cells = self.cells(unit)
        self.density.scatter_reduce_(0, cells, sigma, "amax")
        for bit in range(8):
            by = cells[(image & 7) == bit]
            self.photos[by] = self.photos[by] | (1 << bit)

    def seen(self) -> kernel.Seen:
        """What is known of the cells, as the kernels take it."""
        return kernel.Seen(self.density.numpy(), self.photos.numpy(), self.side)

    @torch.no_grad()
    def threshold(self, length: float, most: float, *, photos: int = 0) -> None:
        """Mark as occupied the cells whose optical depth over `length` exceeds `most`.

        While the mean density is lower than that, the mean is the bar. Cells into which fewer than
        `photos` photos (0 to 8, counted by their numbers modulo 8) have looked become empty.
        """
        level = min(self.density.mean().item(), most / length)
        enough = torch.tensor([bits.bit_count() >= photos for bits in range(256)])
        if self.density.device.type == "cpu":
            bits, marked, known = (x.numpy() for x in (self.bits, self.bricks, enough))
            pool().run(kernel.mark, self.seen(), np.float32(level), known, bits, marked)
            return
        keep = (self.density > level) & enough.to(self.photos.device)[self.photos.long()]
        powers = 2 ** torch.arange(8, dtype=torch.uint8, device=keep.device)
        self.bits.copy_((keep.view(-1, 8) * powers).sum(-1).to(torch.uint8))
        n = self.side // kernel.BRICK
        bricks = keep.view(n, 8, n, 8, n, 8).permute(0, 2, 4, 1, 3, 5).reshape(n**3, -1).any(-1)
        self.bricks.copy_(bricks)

    def march(
        self,
        rays: Rays,
        step: float,
        cone: float,
        *,
        most: int,
        jitter: Float[Tensor, " R"] | None = None,
    ) -> Samples:
        """Samples in occupied cells; the twin of `kernels.march`, all rays in lockstep.

        Steps are max(step, cone * t) long; a ray starts `jitter` (None: half) of a step behind
        its near end, and crosses an empty cell by the fewest whole steps.
        """
        occupied = self.occupied()
        lengths = (step, cone)
        t = rays.near + (0.5 if jitter is None else jitter) * _step(rays.near, *lengths)
        ray = (t < rays.far).nonzero()[:, 0]
        count = torch.zeros(len(t), dtype=torch.long, device=t.device)
        found = [(ray[:0], t[:0], t[:0])]
        while len(ray):
            at = t[ray]
            length = _step(at, *lengths)
            points = rays.origins[ray] + (at + 0.5 * length)[:, None] * rays.directions[ray]
            cells = self.cells(self.unit(points))
            hit, brick = occupied[cells], self.bricks[self._brick(cells)].bool()
            found.append((ray[hit], at[hit], length[hit]))
            count[ray[hit]] += 1
            free = self._free(points, rays.directions[ray], torch.where(brick, 1, kernel.BRICK))
            t[ray] = at + length * torch.where(hit, 1, (free / length).ceil().clamp_min(1))
            ray = ray[(t[ray] < rays.far[ray]) & (count[ray] < most)]
        owner, start, length = (torch.cat(x) for x in zip(*found, strict=True))
        order = owner.argsort(stable=True)
        start, length = start[order], length[order]
        return Samples(start, start + length, owner[order], count.cumsum(0) - count, count)

    def _brick(self, cells: Tensor) -> Tensor:
        n, side = self.side // kernel.BRICK, self.side
        x, y, z = (
            c // kernel.BRICK for c in (cells % side, cells // side % side, cells // side**2)
        )
        return x + n * (y + n * z)

    def _free(self, points: Tensor, directions: Tensor, cells: Tensor) -> Tensor:
        """Distance to the wall of the block of `cells` cells around each point, to first order."""
        if self.limit > 1:
            points, directions = _contract_ray(points, directions)
        cell = (2 * self.limit / self.side * cells)[:, None]
        points = points + self.limit
        wall = (points / cell).floor() + (directions > 0)
        gap = (wall * cell - points) / directions
        return torch.where(directions.abs() > 1e-9, gap, 1e9).amin(-1)

    def compiled(self, step: float, cone: float, most: int) -> kernel.Grid:
        """The grid as the kernels take it."""
        bits, bricks, limit = self.bits.numpy(), self.bricks.numpy(), np.float32(self.limit)
        return kernel.Grid(bits, bricks, self.side, limit, np.float32(step), np.float32(cone), most)


def refresh(
    grid: OccupancyGrid,
    density: DensityFn,
    step: int,
    *,
    generator: Generator,
    first_look: int,
    decay: float,
    bar: Bar,
) -> None:
    """Keep a grid up to date while a field is trained: call it before every step.

    All cells are looked at once, at step `first_look`; from then on, every 16 steps, a
    sixty-fourth of them at random and as many of the occupied ones.
    """
    total = grid.side**3
    device = grid.density.device
    if step == first_look:
        cells = torch.arange(total, device=device)
    elif step > first_look and step % EVERY == 0:
        n = total // 64
        cells = torch.randint(total, (n,), generator=generator).to(device)
        occupied = grid.occupied().nonzero()[:, 0]
        if len(occupied):
            some = torch.randint(len(occupied), (n,), generator=generator).to(device)
            cells = torch.cat([cells, occupied[some]])
    else:
        return
    grid.update(density, cells, decay=decay, generator=generator)
    grid.threshold(bar.length, bar.depth, photos=bar.photos)


def _step(t: Tensor, step: float, cone: float) -> Tensor:
    return (t * cone).clamp_min(step)


def _contract_ray(points: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Contracted points u, and the directions J d in which they move."""
    u = contract(points)
    norm = points.norm(dim=-1, keepdim=True).clamp_min(1)
    across, along = (2 - 1 / norm) / norm, 1 / norm**2
    radial = (u * directions).sum(-1, keepdim=True) / (u * u).sum(-1, keepdim=True).clamp_min(1e-20)
    return u, across * directions - radial * (across - along) * u
