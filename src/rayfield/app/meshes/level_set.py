"""Level sets of what was learned, as closed meshes in the scene's frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from rayfield.app.contract import PointFn
from rayfield.app.drawing.surfaces import in_chunks
from rayfield.app.meshes.meshing import Meshing
from rayfield.app.meshes.window import Window, window_of
from rayfield.core.check import RayfieldError
from rayfield.core.types import Mesh
from rayfield.geometry.marching import BY_ITSELF, NoSurfaceError, Search, extract

CAREFUL = 128  # cells a side up to which a field is asked everywhere
Matrix = Float[np.ndarray, "4 4"]


class LevelSet(NamedTuple):
    """Where a function of scene points has a value, and on which side of it the solid is.

    It is sought in the cube from side[0] to side[1] along each axis. `quantity`: what the values
    are. `unit`: what a value of 1 is in the quantity's own unit in the world. `thin`: whether parts
    thinner than the cells of a search for the surface are to be expected (see `careful`).
    """

    value: PointFn
    level: float
    inside: Literal["above", "below"]
    quantity: str
    unit: float = 1.0
    side: tuple[float, float] = (-1.0, 1.0)
    thin: bool = False


def careful(resolution: int) -> Search:
    """How to look for the surface of what was learned, which may be thin: everywhere on 128^3 to
    255^3 cells, then only where the surface passes. Missed are pieces on their own that are thinner
    than a cell of the former and that none of its corners meets."""
    return Search(coarse=min(resolution, CAREFUL))


def mesh_of(
    shape: LevelSet,
    meshing: Meshing,
    world_from_scene: Matrix,
    *,
    where: Path,
    progress: Callable[[float], None] = lambda _: None,
) -> Mesh:
    """The surface in the scene's frame, closed where the crop of `meshing` cuts it.

    Raises UsageError for a crop that leaves nothing and a resolution that makes no mesh, and, named
    by the run `where`, RayfieldError if there is no surface.
    """
    window = window_of(meshing.crop, world_from_scene, shape.side)
    value = in_chunks(shape.value)
    if meshing.crop is not None:
        value = confined(value, shape)
    try:
        mesh = extract(
            window.seen(value),
            level=shape.level,
            box_min=window.low.tolist(),
            box_max=window.high.tolist(),
            resolution=meshing.resolution,
            inside=shape.inside,
            progress=progress,
            search=careful(meshing.resolution) if shape.thin else BY_ITSELF,
        )
    except NoSurfaceError as nothing:
        raise RayfieldError(
            f"{where}: {_explained(shape, nothing.span, window, world_from_scene)}"
        ) from None
    return window.back(mesh)


def confined(value: PointFn, shape: LevelSet) -> PointFn:
    """The function with nothing solid outside the cube it is sought in."""
    low, high = shape.side

    def inside(points: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
        beyond = torch.maximum(points - high, low - points).amax(dim=-1)
        if shape.inside == "below":
            return torch.maximum(value(points), shape.level + beyond)
        return torch.where(beyond > 0, 0.0, value(points))

    return inside


def _explained(
    shape: LevelSet, span: tuple[float, float], window: Window, world_from_scene: Matrix
) -> str:
    """Why there is no surface, in world units, and what to try."""
    low, high = (value * shape.unit for value in span)
    level = shape.level * shape.unit
    matrix = world_from_scene.copy()
    matrix[:3, :3] = matrix[:3, :3] @ window.turn.T
    ends = np.stack([window.low, window.high])
    corners = np.array([[ends[i >> k & 1, k] for k in range(3)] for i in range(8)])
    corners = corners @ matrix[:3, :3].T + matrix[:3, 3]
    box = " to ".join(
        "(" + ", ".join(f"{x:.4g}" for x in extreme(corners, axis=0)) + ")"
        for extreme in (np.min, np.max)
    )
    empty = high <= level if shape.inside == "above" else low >= level
    side = "nowhere" if empty else "everywhere"
    what = f"no surface: the {shape.quantity} is {side} {shape.inside} {level:.4g}; it goes from "
    what += f"{low:.4g} to {high:.4g} in the box {box}"
    if shape.quantity == "density" and high > 0:
        middle = low + 0.5 * (high - low) if low != high else 0.5 * high
        return f"{what}; try --threshold {middle:.3g}, or train longer"
    if not empty:
        return f"{what}; try another --crop, or train longer"
    return f"{what}; train longer, or try another --crop" + (
        " or more cells (--resolution)" if shape.quantity != "density" else ""
    )
