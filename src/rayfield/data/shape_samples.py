"""Points in a cube and whether a mesh encloses them: what an occupancy field learns."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from rayfield.core.check import DataError
from rayfield.core.types import Mesh
from rayfield.data.picture import PictureBatch
from rayfield.geometry.distance import inside_of
from rayfield.geometry.mesh import area, edge_uses, transform
from rayfield.geometry.meshio import load_mesh
from rayfield.geometry.sampling import sample_surface

FILLED = 0.9  # of the cube's side by the longest side of the mesh
POOL = 2**20  # points whose occupancy is found before training
NEAR = 0.01  # spread of points near the surface, Tancik et al. 2020, Appendix
RESOLUTION = 128  # cells a side of what is looked at
BATCH = 2**15


class ShapeTraits(NamedTuple):
    """What a method may know of a shape before it is built: `sizes` of the array to look at."""

    sizes: tuple[int, int, int] = (RESOLUTION,) * 3
    channels: int = 1

    def batch(self, *, held_out: bool) -> int:
        """Samples of the largest batch."""
        return BATCH


@dataclass(frozen=True)
class Shape:
    """A mesh in the unit cube, and the similarity [4 4] from the cube to the file's frame."""

    path: Path
    mesh: Mesh
    world_from_unit: Float[np.ndarray, "4 4"]
    notes: tuple[str, ...]
    fingerprint: str


class ShapeSampler:
    """Random points out of a pool spread evenly over the cube, with their occupancy (0 or 1)."""

    def __init__(self, shape: Shape, *, seed: int = 0, pool: int = POOL) -> None:
        generator = torch.Generator().manual_seed(seed)
        self._points = torch.rand(pool, 3, generator=generator)
        self._values = inside_of(shape.mesh)(self._points).float()[:, None]

    def sample(self, n: int, *, generator: Generator) -> PictureBatch:
        """`n` of the points."""
        chosen = torch.randint(len(self._points), (n,), generator=generator)
        keep = torch.ones(n, dtype=torch.bool)
        return PictureBatch(self._points[chosen], self._values[chosen], keep)


def read_shape(path: Path, *, drop_invalid: bool = False) -> Shape:
    """Read a mesh and fit it into the unit cube; `drop_invalid` as in `meshio.load_mesh`.

    Raises DataError for input that has no inside.
    """
    mesh, found = load_mesh(path, drop_invalid=drop_invalid)
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    side = float((high - low).max()) / FILLED
    if not len(mesh.faces) or not side > 0 or area(mesh) == 0:
        raise DataError(path, "has no faces with an area", "give a closed surface")
    world = np.eye(4) * side
    world[:3, 3], world[3, 3] = (low + high) / 2 - side / 2, 1
    fitted = transform(mesh, np.linalg.inv(world))
    open_edges = int((edge_uses(mesh)[1] == 1).sum())
    notes = [*found]
    if open_edges:
        notes.append(f"the mesh is open ({open_edges} edges): inside is where it winds around")
    digest = hashlib.sha256(np.ascontiguousarray(mesh.vertices).tobytes())
    digest.update(np.ascontiguousarray(mesh.faces).tobytes())
    return Shape(path, fitted, world, tuple(notes), digest.hexdigest())


def near_surface(mesh: Mesh, n: int, *, generator: Generator) -> Float[Tensor, "N 3"]:
    """`n` points spread evenly over the surface, each moved by a Gaussian of deviation NEAR."""
    points = torch.from_numpy(sample_surface(mesh, n, generator=generator).points).float()
    return points + NEAR * torch.randn(n, 3, generator=generator)
