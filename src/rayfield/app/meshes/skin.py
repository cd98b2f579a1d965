"""What lies on a surface: normals and colours, in the scene's frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from rayfield.core.types import Mesh
from rayfield.geometry.mesh import vertex_normals

NormalsOf = Callable[[Mesh], Float[np.ndarray, "V 3"]]
ColorOf = Callable[[Float[np.ndarray, "N 3"], Float[np.ndarray, "N 3"]], UInt8[np.ndarray, "N 3"]]


def as_it_is(mesh: Mesh, notes: list[str]) -> Mesh:
    """A mesh that nothing has to be done to."""
    return mesh


class Skin(NamedTuple):
    """Unit normals of a mesh's vertices; colours of points by their normals, None without; and what
    is to be done to the mesh with its normals, with remarks added to a list."""

    normals: NormalsOf = vertex_normals
    color: ColorOf | None = None
    settled: Callable[[Mesh, list[str]], Mesh] = as_it_is


BARE = Skin()
