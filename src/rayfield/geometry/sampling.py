"""Random points of a surface."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator

from rayfield.core.check import RayfieldError
from rayfield.core.types import Mesh, PointCloud
from rayfield.geometry.mesh import face_normals


def sample_surface(mesh: Mesh, count: int, *, generator: Generator | None) -> PointCloud:
    """`count` points spread evenly over the surface, each with the unit normal of its face.

    A face is drawn by its area and a point of it by square-root barycentric coordinates (Osada et
    al. 2002, eq. 1). Raises RayfieldError for a mesh without area.
    """
    normals = face_normals(mesh)
    lengths = np.linalg.norm(normals, axis=1)
    total = np.cumsum(lengths)
    if not len(total) or not total[-1] > 0:
        raise RayfieldError("a mesh without area has no points to sample; give one with faces")
    if generator is None:
        generator = torch.Generator().manual_seed(0)
    draw = torch.rand(count, generator=generator, dtype=torch.float64).numpy()
    face = np.searchsorted(total / total[-1], draw).clip(0, len(total) - 1)
    u = torch.rand(count, 2, generator=generator).numpy().astype(np.float64)
    root = np.sqrt(u[:, :1])
    share = np.concatenate([1 - root, root * (1 - u[:, 1:]), root * u[:, 1:]], axis=1)
    points = np.einsum("nc,nck->nk", share, mesh.vertices[mesh.faces[face]])
    return PointCloud(points, normals[face] / lengths[face, None])
