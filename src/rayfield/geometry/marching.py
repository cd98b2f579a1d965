"""Level sets of a callable as closed triangle meshes: marching cubes on the cells that matter.

The search for these cells is in refine.py, the cuts of a cell are in cubes.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int64, Num

from rayfield.core.check import RayfieldError, UsageError
from rayfield.core.types import Mesh
from rayfield.geometry.mesh import select_faces, vertex_normals
from rayfield.geometry.nodes import Field, Lattice, Probe
from rayfield.geometry.polygonise import (
    centres,
    cut_edges,
    on_nodes,
    positions,
    shares,
    sharpened,
    triangles,
)
from rayfield.geometry.refine import Refinement, with_values
from rayfield.geometry.weld import welded

Cells = Int64[np.ndarray, " 3"]

MAX_BYTES = 4 * 2**30
NODE_BYTES = 6  # that a coarse node takes at the worst moment
CELL_BYTES = 500  # that a crossed cell takes at the worst moment
LARGE = 1.5  # crossed cells of a large surface, in unit cells on three faces of the box
COARSE = (64, 128)  # where a search begins by itself: at a quarter of the resolution, in this range


class NoSurfaceError(RayfieldError):
    """A field does not cross the level; `span` is the least and the greatest value it has."""

    def __init__(self, message: str, span: tuple[float, float]) -> None:
        super().__init__(message)
        self.span = span


class Search(NamedTuple):
    """How to look for a surface.

    `coarse`: cells along the longest side where refinement begins, halved until the resolution is
    reached; the resolution itself asks the field everywhere, None leaves the choice to `extract`.
    A piece of surface is missed if no coarse node lies on its other side than those around: balls
    and hollows smaller than a coarse cell, and separate wires and plates thinner than one. What
    hangs together with a piece that is found is found.
    `project`: rounds of moving each vertex along its edge towards the field's own level, at one
    more evaluation per vertex and round; linear interpolation without.
    """

    coarse: int | None = None
    project: int = 0


BY_ITSELF = Search()


def extract(
    field: Field,
    *,
    level: float,
    box_min: Sequence[float],
    box_max: Sequence[float],
    resolution: int,
    inside: Literal["above", "below"],
    progress: Callable[[float], None] | None = None,
    search: Search = BY_ITSELF,
) -> Mesh:
    """The surface where `field` crosses `level` in a box, with unit vertex normals.

    `field` takes points [N, 3] (CPU, float32) and is called in chunks without gradients;
    `resolution` is the number of nearly cubic cells along the longest side; `inside` says on
    which side of the level the solid is ("above" for density, "below" for a signed distance).
    The mesh lies in the box and is closed where the solid leaves it; its faces are
    counter-clockwise from outside. `progress` is told about the fraction done.

    The field is asked near the surface only: of the order of resolution^2 points, see `Search`.

    `UsageError`: an impossible box, level or resolution. `RayfieldError`: the field is not finite
    somewhere; `NoSurfaceError`, which is one: it does not cross the level.
    """
    cells = _cells(np.asarray(box_min, float), np.asarray(box_max, float), resolution)
    step = _step(search, resolution, cells)
    if not abs(level) <= float(np.finfo(np.float32).max):
        raise UsageError(f"level {level} is no finite number")
    lattice = Lattice.of_box(box_min, box_max, cells.tolist())
    probe = Probe(
        field,
        level=level,
        inside=inside,
        where=f"in the box {list(box_min)} to {list(box_max)}",
        tell=_teller(progress, cells, step),
    )
    refinement = Refinement(lattice, probe, step)
    begun = resolution // step
    _check(probe, level, inside, "" if step == 1 else f" or begin finer than {begun} cells")
    found = refinement.run(MAX_BYTES // CELL_BYTES)
    mesh = _mesh(refinement, found, search.project)
    if progress is not None:
        progress(1.0)
    return mesh


def _mesh(refinement: Refinement, cells: Int64[np.ndarray, " N"], project: int) -> Mesh:
    """The triangles of the crossed cells."""
    lattice = refinement.lattice
    cells, values = with_values(refinement, cells)
    cut, numbers = cut_edges(cells, values)
    faces, outlines = triangles(lattice, cells, values, numbers=numbers)
    share = sharpened(lattice, cut, refinement.probe, steps=project) if project else shares(cut)
    vertices = positions(lattice, cut, share)
    vertices = np.concatenate([vertices, centres(vertices, outlines)])
    node = np.concatenate([on_nodes(lattice, cut), np.full(len(outlines), -1)])
    mesh = Mesh(vertices, welded(faces, node))
    if len(mesh.faces) < len(faces):
        mesh = select_faces(mesh, np.ones(len(mesh.faces), bool))
    return Mesh(mesh.vertices, mesh.faces, vertex_normals(mesh))


def _cells(low: np.ndarray, high: np.ndarray, resolution: int) -> Cells:
    """Cells along each axis, refusing what cannot be meshed."""
    if low.shape != (3,) or high.shape != (3,) or not np.isfinite([low, high]).all():
        raise UsageError(f"the box needs two finite corners, got {low.tolist()}, {high.tolist()}")
    extent = high - low
    if (extent <= 0).any():
        raise UsageError(
            f"the box from {low.tolist()} to {high.tolist()} is empty; give the lower corner first"
        )
    if resolution < 2:
        raise UsageError(f"resolution {resolution} is too coarse for a surface; use at least 2")
    share = extent / extent.max()
    return np.maximum(1, np.rint(resolution * share).astype(np.int64))


def _step(search: Search, resolution: int, cells: Cells) -> int:
    """Unit cells along a coarse cell: a power of two."""
    coarse = search.coarse
    if coarse is None:
        coarse = min(resolution, max(COARSE[0], min(resolution // 4, COARSE[1])))
    if not 1 <= coarse <= resolution:
        raise UsageError(f"coarse {coarse}: expected 1 to the resolution, {resolution}")
    if search.project < 0:
        raise UsageError(f"project {search.project}: expected 0 rounds or more")
    step = 1 << (resolution // coarse).bit_length() - 1
    size = _bytes(cells, step)
    if size > MAX_BYTES:
        fits = resolution
        while _bytes(fits / resolution * cells, step) > MAX_BYTES:
            fits = int(0.99 * fits)
        raise UsageError(
            f"resolution {resolution} needs about {size / 2**30:.3g} GiB; use {fits} or less"
        )
    return step


def _bytes(cells: Num[np.ndarray, " 3"], step: int) -> float:
    """Memory for the coarse nodes and for a large surface."""
    return NODE_BYTES * float(np.prod(cells / step + 1)) + CELL_BYTES * LARGE * _faces(cells)


def _faces(cells: Num[np.ndarray, " 3"]) -> float:
    """Unit cells on three faces of the box."""
    return float((cells * np.roll(cells, 1)).sum())


def _teller(
    progress: Callable[[float], None] | None, cells: Cells, step: int
) -> Callable[[int], None]:
    """What turns a number of points into the fraction done, as far as it can be foreseen."""
    expected = float(np.prod(cells / step + 1))
    expected += 3 * _faces(cells) if step > 1 else 0

    def tell(count: int) -> None:
        if progress is not None:
            progress(min(0.99, count / expected))

    return tell


def _check(probe: Probe, level: float, inside: str, advice: str) -> None:
    """Refuse fields without a surface."""
    low, high, at = probe.low, probe.high, float(probe.level)
    span = f"it ranges from {low:.6g} to {high:.6g} {probe.where}"
    empty, full = (high <= at, low > at) if inside == "above" else (low >= at, high < at)
    if empty:
        raise NoSurfaceError(
            f"no surface: the field is nowhere {inside} {level:g}; {span}; "
            f"change the level{advice}",
            (low, high),
        )
    if full:
        raise NoSurfaceError(
            f"no surface: the field is everywhere {inside} {level:g}; {span}; "
            f"change the level{advice} or enlarge the box",
            (low, high),
        )
