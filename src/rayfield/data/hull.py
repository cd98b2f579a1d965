"""Visual hull: the box of what the alpha of all pictures leaves room for (Laurentini 1994)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8

from rayfield.core.types import Camera
from rayfield.data.photo import decode
from rayfield.data.scene import Frame
from rayfield.math.rays import project

GRIDS = (32, 48, 48)
MAX_VIEWS = 40
NEAREST = 0.4
PLAY = 0.005  # of a picture's longer side, by which poses may be off
BLOCK = 8192
OPAQUE_FROM = 8  # of 255: below lies the noise of matting tools


class View(NamedTuple):
    """A camera and its picture's alpha."""

    camera: Camera
    alpha: UInt8[np.ndarray, "H W"]


def alpha_views(frames: tuple[Frame, ...]) -> list[View]:
    """Cameras and alpha of up to 40 evenly chosen frames; opaque where a picture has none."""
    step = max(1, -(-len(frames) // MAX_VIEWS))

    def look(frame: Frame) -> View:
        picture = decode(frame)
        opaque = np.full(picture.shape[:2], 255, np.uint8)
        return View(frame.camera, picture[..., 3] if picture.shape[-1] == 4 else opaque)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(look, frames[::step]))


def hull_box(
    views: list[View], centre: Float[np.ndarray, " 3"], radius: float
) -> tuple[Float[np.ndarray, " 3"], Float[np.ndarray, " 3"]] | None:
    """Corners of the box of the visual hull within a ball, a cell of padding included.

    Cells of a grid survive if no view has them on transparent ground and at least two see
    them. Beyond a picture's border its border pixels are taken to continue, so a silhouette that
    ends inside the picture rules out all that the picture does not show. Each of three
    passes carves the box found by the one before with smaller cells. Conservative: a cell stays if
    its footprint touches the silhouette. None where nothing survives. World units.
    """
    views = [view for view in views if (view.alpha >= OPAQUE_FROM).any()]
    lower, upper = centre - radius, centre + radius
    for count in GRIDS:
        cell = (upper - lower) / count
        steps = (np.arange(count) + 0.5)[:, None] * cell + lower
        cells = np.stack(np.meshgrid(*steps.T, indexing="ij"), axis=-1).reshape(-1, 3)
        cells = _carve(views, cells, 0.5 * float(np.linalg.norm(cell)), nearest=NEAREST * radius)
        if len(cells) == 0:
            return None
        lower, upper = cells.min(axis=0) - 1.5 * cell, cells.max(axis=0) + 1.5 * cell
    return lower, upper


def _carve(
    views: list[View], cells: Float[np.ndarray, "N 3"], reach: float, *, nearest: float
) -> Float[np.ndarray, "M 3"]:
    """The cells, balls of radius `reach`, that all views leave and at least two see.

    A view judges no cell nearer than `nearest`, where footprints are too wide to tell anything.
    """
    seen = np.zeros(len(cells), np.int64)
    for camera, alpha in views:
        pixels, depth = _projected(camera, cells)
        judged = depth > max(nearest, 2 * reach)
        size = (camera.width, camera.height)
        inside = judged & ((pixels >= 0) & (pixels < size)).all(axis=1)
        alive = ~judged
        alive[judged] = _touching(camera, alpha, pixels[judged], reach / (depth[judged] - reach))
        cells, seen = cells[alive], (seen + inside)[alive]
    return cells[seen >= 2]


def _touching(
    camera: Camera, alpha: UInt8[np.ndarray, "H W"], pixels: np.ndarray, angle: np.ndarray
) -> Bool[np.ndarray, " N"]:
    """Whether opaque pixels lie in the square about each projected ball; `angle` is its radius
    over the depth of its nearest point. Beyond the border, the border's pixels count."""
    size = np.array([camera.width, camera.height])
    pixels = np.clip(np.nan_to_num(pixels), -1e6, 1e6)
    focal = np.array([camera.fx, camera.fy])
    aside = 1 + (((pixels - (camera.cx, camera.cy)) / focal) ** 2).sum(axis=1)
    reach = angle[:, None] * np.sqrt(aside)[:, None] * focal + 1 + PLAY * size.max()
    left, top = np.clip(pixels - reach, 0, size - 1).astype(np.int64).T
    right, bottom = np.clip(pixels + reach, 0, size - 1).astype(np.int64).T + 1
    total = np.zeros((camera.height + 1, camera.width + 1), np.int32)  # summed-area table
    np.cumsum(alpha >= OPAQUE_FROM, axis=0, out=total[1:, 1:])
    np.cumsum(total[1:, 1:], axis=1, out=total[1:, 1:])
    count = total[bottom, right] - total[top, right] - total[bottom, left] + total[top, left]
    return np.asarray(count > 0)


def _projected(
    camera: Camera, cells: Float[np.ndarray, "N 3"]
) -> tuple[Float[np.ndarray, "N 2"], Float[np.ndarray, " N"]]:
    """`project` in blocks, small enough to stay in cache and on one thread."""
    blocks = torch.from_numpy(cells).split(BLOCK)
    pixels, depths = zip(*(project(camera, block) for block in blocks), strict=True)
    return torch.cat(pixels).numpy(), torch.cat(depths).numpy()
