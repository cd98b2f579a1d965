"""Batches of points of some shapes at a time, with what is inside or how far the surface is."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from rayfield.data.shape_class import Shapes
from rayfield.data.shape_views import picture, values_on_grid, views
from rayfield.data.solids import HALF, PADDED, Solid

POOL = 2**23  # points of all shapes together, drawn before training
LEAST_POOL, MOST_POOL = 2**12, 2**18  # of one shape, and of each kind
SURFACE = 2**11  # points of a surface, of which observations are drawn
SEEN = 300  # points of an observation
SAMPLED = 2**13  # points with distances of an observation
NOISE = 0.005 * 2 * HALF  # of the points seen: 0.005 of the longest side
DEEPSDF_SPREADS = (0.0707, 0.0224)  # square roots of 0.005 and 0.0005
SIDE, VIEWS, DETAIL = 64, 6, 48  # of pictures: pixels, directions, cells a side of what they show

Truth = Literal["occupancy", "distance"]
Observation = Literal["none", "points", "voxels", "image", "distances"]
Mirror = Literal["none", "x", "y", "z"]


class Wanted(NamedTuple):
    """What a method learns from.

    `shapes` of a batch; the `near` share of its points lies near the surface, by Gaussians of the
    `spreads`, each for as many of them; the others are spread evenly over the padded cube.
    `mirror`: shapes are shown mirrored along that axis half the time, for classes where both are
    alike. `stretch`: shapes are shrunk along each axis by up to this share (occupancy alone, and
    no pictures). `resolution` of voxels.
    """

    truth: Truth = "occupancy"
    observation: Observation = "none"
    shapes: int = 1
    near: float = 0.5
    spreads: tuple[float, ...] = (0.04,)
    mirror: Mirror = "none"
    stretch: float = 0.0
    resolution: int = 32


class ShapeBatch(NamedTuple):
    """Points of shapes, 1 inside and 0 outside, or signed distances, and what is seen of the
    shapes: points [B, SEEN, 3], voxels [B, R, R, R], pictures [B, H, W], or nothing [B, 0].
    `shape` numbers the shapes that are learned from."""

    points: Float[Tensor, "B N 3"]
    values: Float[Tensor, "B N"]
    shape: Int[Tensor, " B"]
    seen: Tensor


class ShapesSampler:
    """Random points of the shapes to learn from, out of pools."""

    def __init__(self, shapes: Shapes, wanted: Wanted, *, seed: int = 0) -> None:
        self.wanted = wanted
        generator = torch.Generator().manual_seed(seed)
        solids = [shapes.solids[index] for index in shapes.train]
        each = min(max(POOL // (2 * len(solids)), LEAST_POOL), MOST_POOL)
        pools = [_pool(solid, each, wanted, generator=generator) for solid in solids]
        self.points, self.values = (torch.stack(x) for x in zip(*pools, strict=True))
        self.seen = torch.stack([_seen(s, wanted, generator=generator) for s in solids])

    def sample(self, n: int, *, generator: Generator) -> ShapeBatch:
        """`n` points in all, as many of each of the batch's shapes."""
        count = len(self.points)
        shape = torch.randperm(count, generator=generator)[: self.wanted.shapes]
        each = max(1, n // len(shape))
        near = round(self.wanted.near * each)
        pick = torch.randint(self.points.shape[2], (len(shape), each), generator=generator)
        kind = (torch.arange(each) < near).long().expand_as(pick)
        points = self.points[shape[:, None], kind, pick]
        values = self.values[shape[:, None], kind, pick]
        seen = self._observed(shape, generator)
        if self.wanted.mirror != "none":
            points, seen = self._mirrored(points, seen, generator)
        if self.wanted.stretch:
            points, seen = self._stretched(points, seen, generator)
        return ShapeBatch(points, values, shape, seen)

    def _observed(self, shape: Int[Tensor, " B"], generator: Generator) -> Tensor:
        """What is seen of shapes, drawn anew: which points with which noise, from which side."""
        seen = self.seen[shape]
        if self.wanted.observation == "points":
            return noisy(seen, generator=generator)
        if self.wanted.observation == "image":
            view = torch.randint(seen.shape[1], (len(seen),), generator=generator)
            return seen[torch.arange(len(seen)), view]
        return seen

    def _mirrored(
        self, points: Tensor, seen: Tensor, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        axis = "xyz".index(self.wanted.mirror)
        turned = torch.rand(len(points), generator=generator) < 0.5
        sign = torch.ones(len(points), 1, 3)
        sign[turned, 0, axis] = -1
        if self.wanted.observation == "points":
            seen = seen * sign
        elif self.wanted.observation == "voxels":
            seen = torch.where(turned[:, None, None, None], seen.flip(axis + 1), seen)
        return points * sign, seen

    def _stretched(
        self, points: Tensor, seen: Tensor, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        """Shrunk along each axis, then enlarged until the longest of them is as before."""
        factor = 1 - self.wanted.stretch * torch.rand(len(points), 1, 3, generator=generator)
        factor = factor / factor.amax(dim=-1, keepdim=True)
        return points * factor, seen * factor if self.wanted.observation == "points" else seen


def uniform_points(count: int, *, generator: Generator) -> Float[Tensor, "N 3"]:
    """Points spread evenly over the padded cube."""
    return (2 * torch.rand(count, 3, generator=generator) - 1) * PADDED


def near_points(
    solid: Solid, count: int, *, spread: float, generator: Generator
) -> Float[Tensor, "N 3"]:
    """Points of a surface, each moved by a Gaussian of deviation `spread`."""
    points = torch.from_numpy(solid.surface(count, generator=generator).points).float()
    return points + spread * torch.randn(count, 3, generator=generator)


def noisy(points: Float[Tensor, "B N 3"], *, generator: Generator) -> Float[Tensor, "B M 3"]:
    """SEEN of the points of every set, with Gaussian noise."""
    pick = torch.randint(points.shape[1], (len(points), SEEN), generator=generator)
    chosen = points.gather(1, pick[..., None].expand(-1, -1, 3))
    return chosen + NOISE * torch.randn(chosen.shape, generator=generator)


def observe(solid: Solid, kind: Observation, *, resolution: int, generator: Generator) -> Tensor:
    """What is seen of one shape: [SEEN, 3], [R, R, R], [H, W] (from the first side), or [0].

    "distances": [SAMPLED, 4], points and their signed distances, most near the surface.
    """
    wanted = Wanted(observation=kind, resolution=resolution)
    if kind == "distances":
        return _distances(solid, generator=generator)
    seen = _seen(solid, wanted, generator=generator, sides=1)
    if kind == "points":
        return noisy(seen[None], generator=generator)[0]
    return seen[0] if kind == "image" else seen


def _pool(
    solid: Solid, each: int, wanted: Wanted, *, generator: Generator
) -> tuple[Float[Tensor, "2 P 3"], Float[Tensor, "2 P"]]:
    """Points spread evenly, points near the surface, and their values."""
    share = -(-each // len(wanted.spreads))
    near = torch.cat(
        [near_points(solid, share, spread=s, generator=generator) for s in wanted.spreads]
    )
    points = torch.cat([uniform_points(each, generator=generator), near[:each]])
    known = solid.distance if wanted.truth == "distance" else solid.inside
    values = known(points).float()
    return points.view(2, each, 3), values.view(2, each)


def _seen(solid: Solid, wanted: Wanted, *, generator: Generator, sides: int = VIEWS) -> Tensor:
    """What observations of a shape are made from."""
    if wanted.observation == "points":
        return torch.from_numpy(solid.surface(SURFACE, generator=generator).points).float()
    if wanted.observation == "voxels":
        return solid.grid(wanted.resolution)
    if wanted.observation == "image":
        values = values_on_grid(solid.distance, DETAIL)
        return torch.stack([picture(values, size=SIDE, view=view) for view in views(VIEWS)[:sides]])
    return torch.zeros(0)


def _distances(solid: Solid, *, generator: Generator) -> Float[Tensor, "N 4"]:
    """As DeepSDF samples shapes (its Sec. 5): 47 of 50 points near the surface."""
    far = SAMPLED * 3 // 50
    near = (SAMPLED - far) // len(DEEPSDF_SPREADS)
    parts = [near_points(solid, near, spread=s, generator=generator) for s in DEEPSDF_SPREADS]
    points = torch.cat([*parts, uniform_points(far, generator=generator)])
    return torch.cat([points, solid.distance(points)[:, None]], dim=1)
