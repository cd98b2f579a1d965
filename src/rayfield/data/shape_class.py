"""One solid shape, or a class of them: a mesh, a folder of meshes, or a file of voxel grids.

Of two shapes or more, every eighth in the order of their names (of fewer than eight: the last) is
held out: nothing is learned from it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rayfield.core.check import DataError
from rayfield.data.pointfiles import usual_up
from rayfield.data.scene import Remarks, natural_order, shortened
from rayfield.data.solids import GridSolid, Solid, fitted, world_of_grid
from rayfield.data.voxel_file import SUFFIXES as VOXELS
from rayfield.data.voxel_file import read_voxels
from rayfield.geometry.mesh import area, edge_uses
from rayfield.geometry.meshio import SUFFIXES as MESHES
from rayfield.geometry.meshio import load_mesh

HELD_OUT_EVERY = 8
LEAST_CLASS = 3
MOST_MESHES = 2000
KINDS = "a mesh, a folder of meshes, or voxel grids (.npz)"


class ShapesTraits(NamedTuple):
    """What a method may know of shapes before it is built: how many it learns from."""

    shapes: int


@dataclass(frozen=True)
class Shapes:
    """Shapes in the order of their names, each in its frame (see solids.py)."""

    root: Path
    names: tuple[str, ...]
    solids: tuple[Solid, ...]
    worlds: tuple[Float[np.ndarray, "4 4"], ...]
    notes: tuple[str, ...]
    fingerprint: str

    @property
    def test(self) -> tuple[int, ...]:
        """The numbers of those held out."""
        count = len(self.names)
        if count < HELD_OUT_EVERY:
            return (count - 1,) if count > 1 else ()
        return tuple(range(HELD_OUT_EVERY - 1, count, HELD_OUT_EVERY))

    @property
    def train(self) -> tuple[int, ...]:
        """The numbers of those learned from."""
        held_out = set(self.test)
        return tuple(index for index in range(len(self.names)) if index not in held_out)

    @property
    def up(self) -> str:
        """Which way is up in the first of the files, as far as its format tells: "y" or "z"."""
        return usual_up(self.root if self.root.is_file() else self.root / self.names[0])

    @property
    def traits(self) -> ShapesTraits:
        """What a method is told."""
        return ShapesTraits(len(self.train))


def load_shapes(path: Path, *, drop_invalid: bool = False) -> Shapes:
    """Read a mesh, a folder of meshes, or voxel grids; `drop_invalid` as in `meshio.load_mesh`.

    Raises DataError for anything else, and for two shapes, which are neither one nor a class.
    """
    if path.is_dir():
        return _of_meshes(path, _files(path), drop_invalid=drop_invalid)
    if path.suffix.lower() in MESHES:
        return _of_meshes(path, (path,), drop_invalid=drop_invalid)
    if path.suffix.lower() in VOXELS:
        return _of_voxels(path)
    what = "does not exist" if not path.exists() else "is no mesh and no file of voxel grids"
    raise DataError(path, what, f"give {KINDS}")


def _files(path: Path) -> tuple[Path, ...]:
    """The meshes in a folder, in the order of their names."""
    files = [file for file in path.iterdir() if file.suffix.lower() in MESHES]
    files = [file for file in files if file.is_file() and file.name[0] != "."]
    if len(files) < LEAST_CLASS:
        what = f"holds {len(files)} mesh{'es' * (len(files) != 1)}"
        raise DataError(path, what, f"a class needs {LEAST_CLASS} or more; give {KINDS}")
    if len(files) > MOST_MESHES:
        what = f"holds {len(files)} meshes where {MOST_MESHES} are the limit"
        raise DataError(path, what, "give a part of them")
    for file in files:
        if not file.resolve().is_relative_to(path.resolve()):
            raise DataError(file, "is a link that leads out of the folder", "copy the file there")
    files.sort(key=lambda file: (natural_order(file.name), file.name))
    return tuple(files)


def _of_meshes(root: Path, files: tuple[Path, ...], *, drop_invalid: bool) -> Shapes:
    solids, worlds, digest, remarks = [], [], hashlib.sha256(), Remarks()
    for file in files:
        mesh, told = load_mesh(file, drop_invalid=drop_invalid)
        if not len(mesh.faces) or area(mesh) == 0:
            raise DataError(file, "has no faces with an area", "give a closed surface")
        digest.update(np.ascontiguousarray(mesh.vertices).tobytes())
        digest.update(np.ascontiguousarray(mesh.faces).tobytes())
        if (edge_uses(mesh)[1] == 1).any():
            remarks.add("open meshes: inside is where they wind around", file.name)
        solid, world = fitted(mesh)
        solids.append(solid)
        worlds.append(world)
    notes = tuple(f"{note} ({shortened(of)})" for note, of in remarks.names.items())
    if len(files) == 1:  # of a class, each has its own
        notes = (*told, *notes)
    names = tuple(file.name for file in files)
    return Shapes(root, names, tuple(solids), tuple(worlds), notes, digest.hexdigest())


def _of_voxels(path: Path) -> Shapes:
    grids = read_voxels(path)
    count, side = grids.shape[:2]
    if 1 < count < LEAST_CLASS:
        raise DataError(
            path, f"holds {count} grids", f"give 1, or a class of {LEAST_CLASS} or more"
        )
    names = tuple(f"{index:0{len(str(count - 1))}d}" for index in range(count))
    digest = hashlib.sha256(np.packbits(grids.numpy()).tobytes())
    digest.update(str(tuple(grids.shape)).encode())
    worlds = (world_of_grid(side),) * count
    solids = tuple(GridSolid(grid) for grid in grids)
    notes = (f"grids of {side}^3 cells: their solids are unions of cells",)
    return Shapes(path, names, solids, worlds, notes, digest.hexdigest())
