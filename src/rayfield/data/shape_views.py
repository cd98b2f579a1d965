"""Pictures of solids: parallel rays through a grid of values, the first surface shaded by its
normal and its depth, white around. A plain renderer, for observations and for figures.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from rayfield.core.parts import in_parts
from rayfield.data.solids import PointFn
from rayfield.geometry.voxels import centres, interpolated

HALF_VIEW = 1.1  # of the picture's width, in the scene's units
DEEP = 1.75  # rays run from this far before the middle to as far behind it
AMBIENT, DARKENING = 0.25, 0.3
VIEW = (35.0, 20.0)  # azimuth and elevation of figures, degrees
CHUNK = 2**16


@torch.no_grad()
def values_on_grid(field: PointFn, resolution: int) -> Float[Tensor, "R R R"]:
    """A field at the centres of R^3 cells over [-1, 1]^3."""
    points = centres(resolution, half=1.0)
    parts = in_parts(lambda part: field(points[part]), len(points), CHUNK)
    return torch.cat(parts).view((resolution,) * 3)


def stood(values: Float[Tensor, "R R R"], up: str) -> Float[Tensor, "R R R"]:
    """A grid of values of a world whose `up` is "y" or "z", turned so that z is up."""
    return values.permute(0, 2, 1).flip(1) if up == "y" else values


def picture(
    values: Float[Tensor, "R R R"], *, size: int, view: tuple[float, float] = VIEW
) -> Float[Tensor, "H W"]:
    """Grey in [0, 1] of the solid where `values`, over [-1, 1]^3, are negative.

    z is up; at azimuth 0 the camera looks from +y, at 90 degrees from +x. `view` in degrees.
    """
    forward, right, up = _axes(*view)
    steps = 2 * values.shape[0]
    line = ((torch.arange(size) + 0.5) / size * 2 - 1) * HALF_VIEW
    start = line[None, :, None] * right - line[:, None, None] * up - DEEP * forward
    t = torch.linspace(0, 2 * DEEP, steps)
    found = torch.stack(
        [_sampled(values, start + distance * forward) for distance in t.tolist()], dim=-1
    )
    solid = found < 0
    hit = solid.any(dim=-1)
    first = solid.int().argmax(dim=-1).clamp_min(1)
    after = found.gather(-1, first[..., None])[..., 0]
    before = found.gather(-1, first[..., None] - 1)[..., 0]
    share = (before / (before - after).clamp_min(1e-9)).clamp(0, 1)
    depth = t[first - 1] + share * (t[1] - t[0])
    normal = _normals(values, start + depth[..., None] * forward)
    light = 0.8 * -forward + 0.5 * up - 0.35 * right
    lit = AMBIENT + (1 - AMBIENT) * (normal @ (light / light.norm())).clamp(0, 1)
    near, far = DEEP - 1.2, DEEP + 1.2
    faded = 1 - DARKENING * ((depth - near) / (far - near)).clamp(0, 1)
    return torch.where(hit, 0.9 * lit * faded, torch.ones(()))


def views(count: int) -> list[tuple[float, float]]:
    """Directions all around, a little from above."""
    return [(360.0 * k / count + 35.0, 20.0) for k in range(count)]


def _axes(azimuth: float, elevation: float) -> tuple[Tensor, Tensor, Tensor]:
    """Forward, right and up of the camera."""
    a, e = math.radians(azimuth), math.radians(elevation)
    back = torch.tensor([math.sin(a) * math.cos(e), math.cos(a) * math.cos(e), math.sin(e)])
    right = torch.tensor([-math.cos(a), math.sin(a), 0.0])
    return -back, right, torch.linalg.cross(back, right)


def _sampled(values: Tensor, points: Float[Tensor, "H W 3"]) -> Float[Tensor, "H W"]:
    """Values at points; outside of the cube there is nothing."""
    found = interpolated(values, points, half=1.0)
    return torch.where(points.abs().amax(dim=-1) < 1, found, found.abs() + 1e-6)


def _normals(values: Tensor, points: Float[Tensor, "H W 3"]) -> Float[Tensor, "H W 3"]:
    """Unit directions in which values grow, by differences over a cell and a half."""
    step = 3.0 / values.shape[0]
    moved = [
        _sampled_inside(values, points + step * axis)
        - _sampled_inside(values, points - step * axis)
        for axis in torch.eye(3)
    ]
    return torch.nn.functional.normalize(torch.stack(moved, dim=-1), dim=-1)


def _sampled_inside(values: Tensor, points: Tensor) -> Tensor:
    return interpolated(values, points, half=1.0)


def points_picture(
    points: Float[Tensor, "N 3"], *, size: int, view: tuple[float, float] = VIEW
) -> Float[Tensor, "H W"]:
    """Grey in [0, 1] of points as dots, nearer ones darker, on white."""
    forward, right, up = _axes(*view)
    depth = (points @ forward).clamp(-1, 1)
    across = ((points @ right / HALF_VIEW + 1) * size / 2).long()
    down = ((1 - points @ up / HALF_VIEW) * size / 2).long()
    found = torch.ones(size, size)
    order = depth.argsort(descending=True)
    dot = max(1, size // 64)
    for dy in range(dot):
        for dx in range(dot):
            row, column = (down + dy)[order], (across + dx)[order]
            kept = (row >= 0) & (row < size) & (column >= 0) & (column < size)
            found[row[kept], column[kept]] = (0.3 + 0.25 * (depth[order] + 1))[kept]
    return found
