"""Points in a cube and whether a mesh encloses them: what an occupancy field learns.

Inside is where the generalised winding number (Jacobson et al. 2013; fast form Barill et al.
2018) is 0.5 or more, which also holds for meshes with small holes. It comes from libigl, an
optional dependency.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from rayfield.core.check import DataError, RayfieldError
from rayfield.core.types import Mesh
from rayfield.data.picture import PictureBatch
from rayfield.geometry.mesh import area, edge_uses, face_normals, transform
from rayfield.geometry.meshio import read_mesh

FILLED = 0.9  # of the cube's side by the longest side of the mesh
POOL = 2**20  # points whose occupancy is found before training
NEAR = 0.01  # spread of points near the surface, Tancik et al. 2020, Appendix
RESOLUTION = 128  # cells a side of what is looked at
BATCH = 2**15

InsideFn = Callable[[Float[Tensor, "N 3"]], Bool[Tensor, " N"]]


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


def read_shape(path: Path) -> Shape:
    """Read a mesh and fit it into the unit cube. Raises DataError for input that has no inside."""
    mesh = read_mesh(path)
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    side = float((high - low).max()) / FILLED
    if not len(mesh.faces) or not side > 0 or area(mesh) == 0:
        raise DataError(path, "has no faces with an area", "give a closed surface")
    world = np.eye(4) * side
    world[:3, 3], world[3, 3] = (low + high) / 2 - side / 2, 1
    fitted = transform(mesh, np.linalg.inv(world))
    open_edges = int((edge_uses(mesh)[1] == 1).sum())
    notes = []
    if open_edges:
        notes.append(f"the mesh is open ({open_edges} edges): inside is where it winds around")
    digest = hashlib.sha256(np.ascontiguousarray(mesh.vertices).tobytes())
    digest.update(np.ascontiguousarray(mesh.faces).tobytes())
    return Shape(path, fitted, world, tuple(notes), digest.hexdigest())


def inside_of(mesh: Mesh) -> InsideFn:
    """Whether points are inside a mesh. Raises RayfieldError if libigl is not installed."""
    try:
        import igl  # type: ignore[import-untyped]
    except ImportError:
        needs = "shapes need libigl; install it with: pip install 'rayfield[shapes]'"
        raise RayfieldError(needs) from None
    vertices = np.ascontiguousarray(mesh.vertices, np.float64)
    faces = np.ascontiguousarray(mesh.faces, np.int64)

    def inside(points: Float[Tensor, "N 3"]) -> Bool[Tensor, " N"]:
        queries = np.ascontiguousarray(points.numpy(), np.float64)
        return torch.from_numpy(igl.fast_winding_number(vertices, faces, queries) >= 0.5)

    return inside


def near_surface(mesh: Mesh, n: int, *, generator: Generator) -> Float[Tensor, "N 3"]:
    """`n` points spread evenly over the surface, each moved by a Gaussian of deviation NEAR."""
    weights = torch.from_numpy(np.linalg.norm(face_normals(mesh), axis=1))
    face = torch.multinomial(weights, n, replacement=True, generator=generator)
    corners = torch.from_numpy(mesh.vertices[mesh.faces[face.numpy()]]).float()
    u = torch.rand(n, 2, generator=generator)
    root = u[:, :1].sqrt()
    share = torch.cat([1 - root, root * (1 - u[:, 1:]), root * u[:, 1:]], dim=1)
    points = (corners * share[..., None]).sum(dim=1)
    return points + NEAR * torch.randn(n, 3, generator=generator)
