"""Solid shapes for studies: exact ones of our own, or closed meshes of the user's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from rayfield.core.check import DataError
from rayfield.core.types import Mesh
from rayfield.data.points import Cloud, read_points
from rayfield.geometry import meshio
from rayfield.geometry.marching import Search, extract
from rayfield.geometry.mesh import edge_uses
from rayfield.geometry.meshio import read_mesh, write_mesh
from rayfield.math.csg import difference, smooth_union, union
from rayfield.math.sdf import box, capsule, cylinder, moved, sphere, torus

RESOLUTION = 128  # of the meshes of exact shapes

Value = Callable[[Float[Tensor, "N 3"]], Float[Tensor, " N"]]


def shapes(folder: Path, data: Path | None) -> dict[str, Cloud]:
    """Shapes by name, with points and normals: the closed mesh in the file `data`, those in the
    folder `data`, or three of our own, whose meshes are kept in `folder`. Raises DataError."""
    if data is None:
        files = {
            name: kept(folder / f"{name}.stl", partial(meshed, value))
            for name, value in EXACT.items()
        }
    elif data.is_dir():
        files = {
            path.stem: path
            for path in sorted(data.iterdir())
            if path.suffix.lower() in meshio.SUFFIXES
        }
        if not files:
            raise DataError(data, "holds no meshes", f"give some of {' '.join(meshio.SUFFIXES)}")
    else:
        files = {data.stem: data}
    return {name: _solid(path) for name, path in files.items()}


def kept(path: Path, make: Callable[[], Mesh]) -> Path:
    """The file of a shape of our own, made unless it is there."""
    if not path.exists():
        write_mesh(path, make())
    read_mesh(path)
    return path


def _solid(path: Path) -> Cloud:
    cloud = read_points(path)
    if cloud.mesh is None:
        raise DataError(path, "holds points alone", "give a closed mesh")
    if (edge_uses(cloud.mesh)[1] % 2).any():
        raise DataError(path, "is a mesh with open edges", "give a closed one, which has an inside")
    return cloud


def meshed(value: Value) -> Mesh:
    """The zero set in [-1, 1]^3, its vertices moved onto it."""
    return extract(
        value, level=0.0, inside="below", box_min=(-1.0, -1.0, -1.0), box_max=(1.0, 1.0, 1.0),
        resolution=RESOLUTION, search=Search(project=2),
    )  # fmt: skip


def _animal(x: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
    """A round body on four legs with a neck, a head and a tail."""
    found = capsule(x, (-0.35, 0.0, 0.1), (0.3, 0.0, 0.1), radius=0.24)
    for along in (-0.35, 0.3):
        for side in (-0.15, 0.15):
            leg = capsule(x, (along, side, 0.0), (1.2 * along, 1.2 * side, -0.6), radius=0.085)
            found = smooth_union(found, leg, width=0.12)
    neck = capsule(x, (0.35, 0.0, 0.15), (0.58, 0.0, 0.5), radius=0.1)
    head = moved(lambda p: sphere(p, 0.17), (0.64, 0.0, 0.56))(x)
    tail = capsule(x, (-0.5, 0.0, 0.2), (-0.85, 0.0, 0.45), radius=0.045)
    for one, width in ((neck, 0.15), (head, 0.1), (tail, 0.1)):
        found = smooth_union(found, one, width=width)
    return found


def _bracket(x: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
    """Two plates at a right angle, with holes and sharp edges."""
    foot = moved(lambda p: box(p, (0.75, 0.45, 0.09)), (0.0, 0.0, -0.5))(x)
    back = moved(lambda p: box(p, (0.09, 0.45, 0.55)), (-0.66, 0.0, -0.04))(x)
    rib = moved(lambda p: box(p, (0.3, 0.06, 0.3)), (-0.4, 0.0, -0.25))(x)
    found = union(union(foot, back), rib)
    across = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    for place in (-0.25, 0.25):
        hole = moved(lambda p: cylinder(p, 0.1, 0.3), (0.45, place, -0.5))(x)
        found = difference(found, hole)
    return difference(found, moved(lambda p: cylinder(p, 0.16, 0.3), (-0.66, 0.0, 0.28), across)(x))


def _rings(x: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
    """Two rings that hang in each other."""
    upright = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    one = moved(lambda p: torus(p, 0.42, 0.11), (-0.25, 0.0, 0.0))(x)
    return union(one, moved(lambda p: torus(p, 0.42, 0.11), (0.25, 0.0, 0.0), upright)(x))


EXACT: dict[str, Value] = {"animal": _animal, "bracket": _bracket, "rings": _rings}
