"""What a file shows of a shape, as a method that learned a class takes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from rayfield.core.check import DataError
from rayfield.core.types import PointCloud
from rayfield.data.images import SUFFIXES as IMAGES
from rayfield.data.images import read_image
from rayfield.data.partial import samples_of
from rayfield.data.pointfiles import read_raw
from rayfield.data.shape_batches import SEEN, SIDE, Observation, observe
from rayfield.data.shape_class import load_shapes
from rayfield.data.solids import HALF, Solid
from rayfield.geometry.meshio import MeshFile

World = Float[np.ndarray, "4 4"]
TAKES = {
    "points": "a file of points, a mesh or a voxel grid",
    "voxels": "a voxel grid or a mesh",
    "image": "a picture, a mesh or a voxel grid",
    "distances": "points with normals, a mesh or a voxel grid",
}


def read_observation(
    path: Path, kind: Observation, *, resolution: int, own: bool
) -> tuple[Tensor, World]:
    """What is seen, as `observe` gives it, and the way from the frame to that of the file.

    A mesh, or the first grid of a voxel file, is observed as held-out shapes are. Points are
    brought into the frame by their box, unless they are there already (`own`), as those of a part
    of a shape must be. Raises DataError.
    """
    suffix = path.suffix.lower()
    if kind == "image" and suffix in IMAGES:
        return _picture(path), np.eye(4)
    if suffix == ".npz" or (kind == "voxels" and suffix == ".npy"):
        shapes = load_shapes(path)
        return _seen(shapes.solids[0], shapes.worlds[0], kind, resolution)
    if suffix in IMAGES or not path.is_file():
        what = "is not a file" if not path.is_file() else "is a picture"
        raise DataError(path, what, f"this run takes {TAKES[kind]}")
    raw = read_raw(path)
    if isinstance(raw, MeshFile):
        shapes = load_shapes(path)
        return _seen(shapes.solids[0], shapes.worlds[0], kind, resolution)
    if kind not in ("points", "distances"):
        raise DataError(path, "is a file of points", f"this run takes {TAKES[kind]}")
    return _points(path, raw.cloud, kind, own=own)


def _seen(solid: Solid, world: World, kind: Observation, resolution: int) -> tuple[Tensor, World]:
    generator = torch.Generator().manual_seed(0)
    return observe(solid, kind, resolution=resolution, generator=generator), world


def _points(path: Path, cloud: PointCloud, kind: Observation, *, own: bool) -> tuple[Tensor, World]:
    """Points as they are (SEEN of them, some more than once if there are fewer), or samples."""
    if not len(cloud.points) or not np.isfinite(cloud.points).all():
        raise DataError(path, "holds no points, or some that are not finite", "leave them out")
    low, high = cloud.points.min(axis=0), cloud.points.max(axis=0)
    side = float((high - low).max())
    if side <= 0:
        raise DataError(path, "holds a single point", "give points all over the shape")
    world = np.eye(4)
    if not own:
        world *= side / (2 * HALF)
        world[:3, 3], world[3, 3] = (low + high) / 2, 1
    points = torch.from_numpy((cloud.points - world[:3, 3]) / world[0, 0]).float()
    generator = torch.Generator().manual_seed(0)
    if kind == "points":
        order = torch.randperm(len(points), generator=generator)
        return points[order.repeat(-(-SEEN // len(points)))[:SEEN]], world
    if cloud.normals is None:
        raise DataError(path, "holds points without normals", f"this run takes {TAKES[kind]}")
    normals = torch.from_numpy(cloud.normals).float()
    return samples_of(points, normals, generator=generator), world


def _picture(path: Path) -> Float[Tensor, "H W"]:
    """A picture in grey on white, its sides SIDE; one that is not square is stretched."""
    pixels = torch.from_numpy(read_image(path)).float() / 255
    if pixels.shape[-1] == 4:
        pixels = pixels[..., :3] * pixels[..., 3:] + 1 - pixels[..., 3:]
    grey = pixels.mean(dim=-1)[None, None]
    return torch.nn.functional.interpolate(grey, (SIDE, SIDE), mode="area")[0, 0]
