"""Level sets of a callable as closed triangle meshes (marching cubes, Lewiner et al. 2003)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32
from skimage.measure import marching_cubes
from torch import Tensor

from rayfield.core.check import RayfieldError, UsageError
from rayfield.core.types import Mesh
from rayfield.geometry.mesh import vertex_normals

Field = Callable[[Float[Tensor, "N 3"]], Float[Tensor, " N"]]

MAX_GRID_BYTES = 2 * 2**30
CHUNK = 2**18  # points per call of the field, or one plane of the grid if that is more
WALL = 1e-3  # thickness of the closing layer at the box, in cells


def extract(
    field: Field,
    *,
    level: float,
    box_min: Sequence[float],
    box_max: Sequence[float],
    resolution: int,
    inside: Literal["above", "below"],
    progress: Callable[[float], None] | None = None,
) -> Mesh:
    """The surface where `field` crosses `level` in a box, with unit vertex normals.

    `field` takes points [N, 3] (CPU, float32) and is called in chunks without gradients;
    `resolution` is the number of nearly cubic cells along the longest side; `inside` says on
    which side of the level the solid is ("above" for density, "below" for a signed distance).
    The mesh lies in the box and is closed where the solid leaves it; its faces are
    counter-clockwise from outside. `progress` is told the fraction done.

    `UsageError`: an impossible box or resolution. `RayfieldError`: the field is not finite
    somewhere, or does not cross the level.
    """
    cells = _cells(np.asarray(box_min, float), np.asarray(box_max, float), resolution)
    nodes = _nodes(np.asarray(box_min, float), np.asarray(box_max, float), cells)
    solid = _evaluate(field, nodes, progress or (lambda _: None))
    _check(solid, level, inside, where=f"in the box {list(box_min)} to {list(box_max)}")
    solid -= level
    if inside == "below":
        np.negative(solid, out=solid)
    _close(solid)
    corners, faces, _, _ = marching_cubes(
        solid, 0.0, gradient_direction="ascent", allow_degenerate=False
    )
    vertices = np.stack(
        [np.interp(corners[:, k], np.arange(len(nodes[k])), nodes[k]) for k in range(3)], axis=1
    )
    mesh = Mesh(vertices=vertices, faces=faces.astype(np.int32))
    return replace(mesh, normals=vertex_normals(mesh))


def _cells(low: np.ndarray, high: np.ndarray, resolution: int) -> list[int]:
    """Cells along each axis, refusing what cannot be meshed."""
    if low.shape != (3,) or high.shape != (3,) or not np.isfinite([low, high]).all():
        raise UsageError(f"the box needs two finite corners, got {low.tolist()}, {high.tolist()}")
    extent = high - low
    if (extent <= 0).any():
        raise UsageError(
            f"the box from {low.tolist()} to {high.tolist()} is empty; give the lower corner first"
        )
    if resolution < 2:
        raise UsageError(f"resolution {resolution} is too coarse for a surface; use at least 2")
    share = extent / extent.max()
    size = _grid_bytes(share, resolution)
    if size > MAX_GRID_BYTES:
        fits = resolution
        while _grid_bytes(share, fits) > MAX_GRID_BYTES:
            fits = int(0.99 * fits)
        raise UsageError(
            f"resolution {resolution} needs a grid of {size / 2**30:.3g} GiB; use {fits} or less"
        )
    return [max(1, round(resolution * s)) for s in share.tolist()]


def _grid_bytes(share: np.ndarray, resolution: int) -> float:
    """Memory of a grid whose sides are these shares of the longest one."""
    return 4 * float(np.prod(np.maximum(1, resolution * share) + 3))


def _nodes(low: np.ndarray, high: np.ndarray, cells: list[int]) -> list[np.ndarray]:
    """Grid coordinates along each axis: the box's faces, and the nodes just inside of them."""
    axes = []
    for a, b, n in zip(low, high, cells, strict=True):
        wall = WALL * (b - a) / n
        axes.append(np.array([a, *np.linspace(a + wall, b - wall, n + 1), b]))
    return axes


def _evaluate(
    field: Field, nodes: list[np.ndarray], progress: Callable[[float], None]
) -> Float32[np.ndarray, "X Y Z"]:
    """The field at all nodes but those on the box's faces, which are left 0."""
    x, y, z = (torch.from_numpy(axis[1:-1]).float() for axis in nodes)
    values = np.zeros([len(axis) for axis in nodes], dtype=np.float32)
    plane = torch.cartesian_prod(y, z)
    step = max(1, CHUNK // len(plane))
    for begin in range(0, len(x), step):
        slab = x[begin : begin + step]
        points = torch.empty(len(slab), len(plane), 3)
        points[..., 0], points[..., 1:] = slab[:, None], plane
        with torch.no_grad():
            found = field(points.flatten(0, 1)).float().cpu()
        end = begin + len(slab)
        values[begin + 1 : end + 1, 1:-1, 1:-1] = found.view(len(slab), len(y), len(z)).numpy()
        progress(end / len(x))
    return values


def _close(solid: Float32[np.ndarray, "X Y Z"]) -> None:
    """Put a layer of outside on the box's faces, so that the surface closes there."""
    least = 1e-6 * solid.max()
    for axis in range(3):
        layers = np.moveaxis(solid, axis, 0)
        # As far below the level as its neighbour is above: the surface passes half-way between.
        layers[[0, -1]] = -np.abs(layers[[1, -2]]) - least


def _check(values: np.ndarray, level: float, inside: str, *, where: str) -> None:
    """Refuse fields without a surface."""
    own = values[1:-1, 1:-1, 1:-1]
    low, high = float(own.min()), float(own.max())  # NaN if any value is
    if not np.isfinite([low, high]).all():
        bad = int((~np.isfinite(own)).sum())
        raise RayfieldError(f"the field is not finite at {bad} of {own.size} points {where}")
    span = f"it ranges from {low:.6g} to {high:.6g} {where}"
    above, below = low > level, high < level
    empty, full = (high <= level, above) if inside == "above" else (low >= level, below)
    if empty:
        raise RayfieldError(
            f"no surface: the field is nowhere {inside} {level:g}; {span}; change the level"
        )
    if full:
        raise RayfieldError(
            f"no surface: the field is everywhere {inside} {level:g}; {span}; "
            "change the level or enlarge the box"
        )
