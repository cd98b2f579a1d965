"""A subject with a surface, before a backdrop where there is one, seen by volume rendering.

The subject lies in a ball about the origin; rays are sampled in the shell around its surface
(`render.shell`). What is behind the ball is a radiance field (`render.backdrop`), and nothing is in
front of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from rayfield.core.types import Rays, Rendered
from rayfield.fields.exposure import exposed, log_gains
from rayfield.fields.radiance import RadianceField
from rayfield.fields.sdf_grid import Distance
from rayfield.fields.surface import SurfaceField
from rayfield.fields.surface_network import SurfaceNetwork
from rayfield.math.rays import ray_sphere
from rayfield.render import backdrop as beyond
from rayfield.render import shell
from rayfield.render.dense import SCALE, Dense, cells_of
from rayfield.render.occupancy import OccupancyGrid
from rayfield.render.shell import Cells, DepthRule, Marching
from rayfield.render.width import Width

BLOCK = 4096  # rays rendered at a time
CAPACITY = 1 << 18  # samples at a time
DARK = 1e-3  # transmittance at which a ray ends where nothing is learned
FEWEST = 64  # rays a step; the most are those of the backdrop
EVERY = 32  # steps between looks at where the surface is
NEARBY, EVERYWHERE = 4, 256  # a neighbour for every fourth sample; points of the whole cube


class Seen(NamedTuple):
    """What rays see, over black; the distance's gradient at all points, at K of them and nearby."""

    rendered: Rendered
    gradient: Float[Tensor, "N 3"]
    here: Float[Tensor, "K 3"]
    nearby: Float[Tensor, "K 3"]


class Subject(nn.Module):
    """A field, the shell of its surface, how sharp that is, and the backdrop if there is one.

    `ball` is the radius, in scene units, of the ball that the subject lies in; all other lengths
    are in radii of the ball. `photos`: how many have exposures of their own.
    """

    def __init__(
        self,
        field: SurfaceField | SurfaceNetwork,
        *,
        cells: int,
        ball: float,
        width: Width,
        backdrop: RadianceField | None = None,
        dense: Dense | None = None,
        photos: int = 0,
    ) -> None:
        super().__init__()
        self.field, self.backdrop, self.ball, self.plan = field, backdrop, ball, width
        self.shell = OccupancyGrid(cells, contracted=False)
        self.around = OccupancyGrid(cells, contracted=True) if backdrop is not None else None
        self.log_width: Tensor
        self.rays: Tensor
        self.register_buffer("log_width", torch.tensor(math.log(width.first)))
        self.log_factor = nn.Parameter(torch.zeros(())) if width.learned else None
        self.log_gains = log_gains(photos) if photos else None
        self.dense = dense
        self.register_buffer("rays", torch.tensor(float(dense.rays) if dense else 512.0))

    @property
    def width(self) -> float:
        """That of the surface, in radii of the ball."""
        factor = 0.0 if self.log_factor is None else float(self.log_factor.detach())
        return math.exp(float(self.log_width) + factor)

    def learned_width(self) -> Tensor:
        """`width`, with the factor's gradient."""
        factor = self.log_factor
        return (self.log_width if factor is None else self.log_width + factor).exp()

    def set_width(self, width: float) -> None:
        """The width before the factor."""
        self.log_width.fill_(math.log(width))

    def tables(self) -> list[nn.Parameter]:
        """The grids' tables."""
        backdrop = [] if self.backdrop is None else [self.backdrop.grid.table]
        return [*self.field.tables(), *backdrop]

    def matrices(self) -> list[nn.Parameter]:
        """Those of all networks."""
        if self.backdrop is None:
            return self.field.matrices()
        mlps = self.backdrop.density_mlp, self.backdrop.color_mlp
        return [*self.field.matrices(), *(m for mlp in mlps for m in mlp.matrices)]

    def enter(self, rays: Rays) -> Rays:
        """The part of the rays in the ball's cube, or in the ball before a backdrop; in radii."""
        origins = rays.origins / self.ball
        near, far = rays.near / self.ball, rays.far / self.ball
        if self.backdrop is not None:
            first, last = ray_sphere(origins, rays.directions)
            near, far = torch.maximum(near, first), torch.minimum(far, last)
        return rays._replace(origins=origins, near=near, far=far)

    def look(
        self,
        rays: Rays,
        marching: Marching,
        *,
        samples: int,
        cutoff: float,
        generator: Generator,
    ) -> Seen:
        """What the first of some rays see, with gradients.

        As many rays as march to 16 times `samples` cells; the next batch will give about `samples`
        that are asked for.
        """
        device = rays.near.device
        jitter = torch.rand(len(rays.near), generator=generator).to(device)
        inside = self.enter(rays)
        cells = self._cells(
            inside, marching, jitter=jitter, capacity=16 * samples, cutoff=cutoff,
            generator=generator,
        )  # fmt: skip
        used, n = cells.used, len(cells.ray)
        if self.dense is None:
            self.rays.copy_(
                (0.5 * (self.rays + used * samples / max(n, 1))).clamp(FEWEST, beyond.MOST)
            )
        chosen = torch.randint(max(n, 1), (n // NEARBY,), generator=generator).to(device)
        away = torch.randn(len(chosen), 3, generator=generator).to(device)
        near = (cells.unit[chosen] + away * self.field.nearby()).clamp(0, 1)
        everywhere = torch.rand(EVERYWHERE, 3, generator=generator).to(device)
        found = self.field(torch.cat([cells.unit, near, everywhere]))
        front = self._subject(
            cells, Distance(*(x[:n] for x in found)), inside.directions, marching.rule
        )
        rays = Rays(*(x[:used] for x in rays))
        rendered = shell.composited(front, self.behind(rays, jitter=jitter[:used]))
        rendered = rendered._replace(color=exposed(rendered.color, self.log_gains, rays.image))
        gradient = found.gradient
        return Seen(rendered, gradient, gradient[chosen], gradient[n : n + len(chosen)])

    @torch.no_grad()
    def see(self, rays: Rays, marching: Marching, *, background: Tensor) -> Rendered:
        """What any number of rays see over a colour, without gradients."""
        parts: list[tuple[Tensor, ...]] = []
        first = 0
        while first < len(rays.near) or not parts:
            block = Rays(*(x[first : first + BLOCK] for x in rays))
            inside = self.enter(block)
            cells = self._cells(
                inside, marching, jitter=None, capacity=CAPACITY, cutoff=DARK, generator=None
            )
            block = Rays(*(x[: cells.used] for x in block))
            front = self._subject(cells, self.field(cells.unit), block.directions, marching.rule)
            out = shell.composited(front, self.behind(block))
            parts.append((out.color, out.opacity, out.depth, out.samples))
            first += cells.used
        color, opacity, depth, samples = (torch.cat(x) for x in zip(*parts, strict=True))
        color = color + (1 - opacity[:, None]) * background
        return Rendered(color, opacity, depth, samples)

    def _cells(
        self,
        rays: Rays,
        marching: Marching,
        *,
        jitter: Tensor | None,
        capacity: int,
        cutoff: float,
        generator: Generator | None,
    ) -> Cells:
        """The cells of `enter`ed rays that it pays to ask the field for."""
        distance = self.field.distance
        if self.dense is None:
            cells = shell.march(self.shell, rays, marching.step, jitter=jitter, capacity=capacity)
        else:
            cells = cells_of(self.dense, rays, distance, width=self.width, generator=generator)
        if not len(cells.ray):
            return cells
        if marching.on is None:
            return shell.lit(cells, distance, rule=marching.rule, scale=SCALE, cutoff=cutoff)
        return shell.focus(
            cells, rays.directions, distance, on=marching.on, scale=SCALE, generator=generator
        )

    def _subject(
        self, cells: Cells, found: Distance, directions: Tensor, rule: DepthRule
    ) -> Rendered:
        """What rays see of the subject, over black; depth in scene units."""
        out = shell.render(cells, found, directions, rule=rule, color=self._color, scale=SCALE)
        return out._replace(depth=out.depth * self.ball)

    def _color(self, found: Distance, along: Float[Tensor, "N 3"]) -> Float[Tensor, "N 3"]:
        """Colours of what the field found; directions are shorter the less these depend on them."""
        return self.field.color(found, self.plan.shine(math.exp(float(self.log_width))) * along)

    def behind(self, rays: Rays, *, jitter: Tensor | None = None) -> Rendered | None:
        """What is behind the ball, over black; None without a backdrop."""
        if self.backdrop is None or self.around is None:
            return None
        return beyond.seen(self.backdrop, self.around, rays, ball=self.ball, jitter=jitter)

    def refresh(self, step: int, *, reach: float, generator: Generator) -> None:
        """Know where to look: call it before every step. The shell is of cells within `reach`
        widths of the surface."""
        if self.dense is None and step % EVERY == 0:
            reach = reach * self.width / SCALE
            shell.mark_shell(self.shell, self.field.distance, reach)
        if self.backdrop is not None and self.around is not None:
            beyond.refresh(self.backdrop, self.around, step, generator=generator)

    def distance(self) -> Callable[[Float[Tensor, "N 3"]], Float[Tensor, " N"]]:
        """Signed distance of scene points; before a backdrop, of what lies in the ball."""
        half = 0.5 / self.ball

        def value(points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
            found = self.field.distance(points * half + 0.5) / half
            if self.backdrop is None:
                return found
            return torch.maximum(found, points.norm(dim=-1) - self.ball)

        return value

    def color(self) -> Callable[[Tensor, Tensor], Float[Tensor, "N 3"]]:
        """RGB of scene points [N, 3] seen along unit directions [N, 3]."""
        half = 0.5 / self.ball
        return lambda points, along: self._color(self.field(points * half + 0.5), along)
