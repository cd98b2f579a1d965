"""What no photo shows of a surface, such as the underside of what stands on a table.

Photos say nothing of its shape, and what a field has there is chance. A person expects it flat.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from rayfield.core.types import Camera, Mesh, PointCloud
from rayfield.geometry.intersections import self_intersections
from rayfield.geometry.membrane import inner, patches, spanned
from rayfield.geometry.mesh import edge_uses
from rayfield.math.rays import project

FOOTPRINT = 2.0  # edges under a pixel of the depth maps, so that they have no holes
SLACK = 4.0  # edges by which a vertex may lie behind a depth map
FACING = 0.05  # least cosine at which a surface is seen
RINGS = 1  # edges between what is seen and what may move
SHARE = 0.005  # of the vertices, for a hidden patch to be worth it
MOST = 500_000  # vertices that are spanned: a film of more takes minutes, and is mostly of fog


def span_hidden(mesh: Mesh, photos: list[Camera], notes: list[str] | None = None) -> Mesh:
    """The mesh with every patch that no photo shows spanned as flat as its rim allows; as it is
    where that would make the surface run through itself, and where more than `MOST` vertices would
    move. Poses are in the mesh's frame."""
    shown = patches(mesh, seen(mesh, photos), share=SHARE)  # no specks
    free = patches(mesh, inner(mesh, ~shown, rings=RINGS), share=SHARE)
    if not free.any() or free.all() or free.sum() > MOST:
        return mesh
    flat = spanned(mesh, free)
    crossing = self_intersections(flat)
    if crossing and crossing > self_intersections(mesh):
        return mesh
    if notes is not None:
        share = 100 * free.mean()
        notes.append(f"{share:.0f} % of the surface is in no photo: it spans its rim, like a film")
    return flat


def seen(mesh: Mesh, photos: list[Camera]) -> Bool[np.ndarray, " V"]:
    """Whether each vertex faces one of the photos, in their picture and before all others."""
    assert mesh.normals is not None
    ends = mesh.vertices[edge_uses(mesh)[0]]
    edge = float(np.median(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)))
    return seen_points(PointCloud(mesh.vertices, mesh.normals), photos, edge)


def seen_points(
    surface: PointCloud, photos: list[Camera], spacing: float
) -> Bool[np.ndarray, " V"]:
    """The same of points all over a surface, with normals, about `spacing` from each other."""
    assert surface.normals is not None
    points, normals = (torch.from_numpy(x).double() for x in (surface.points, surface.normals))
    found = torch.zeros(len(points), dtype=torch.bool)
    for photo in photos:
        found |= _seen_by(photo, points, normals, spacing)
    return found.numpy()


def _seen_by(
    photo: Camera, points: Float[Tensor, "V 3"], normals: Float[Tensor, "V 3"], edge: float
) -> Bool[Tensor, " V"]:
    """`seen` by one photo, through a depth map of vertices as coarse as their edges are long."""
    away = points - torch.from_numpy(photo.pose[:3, 3])
    distance = away.norm(dim=-1)
    facing = -(away * normals).sum(-1) > FACING * distance
    pixels, depth = project(photo, points)
    cell = max(1.0, FOOTPRINT * edge * photo.fx / float(distance.median()))
    size = torch.tensor([photo.width, photo.height])
    within = (depth > 0) & ((pixels >= 0) & (pixels < size)).all(dim=-1)
    column, row = (pixels[within] / cell).long().unbind(-1)
    place = row * (int(photo.width / cell) + 1) + column
    nearest = torch.full((int(place.max()) + 1 if len(place) else 1,), torch.inf).double()
    nearest.scatter_reduce_(0, place, distance[within], "amin")
    found = torch.zeros_like(within)
    found[within] = distance[within] < nearest[place] + SLACK * edge
    return found & facing
