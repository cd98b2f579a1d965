"""How to mesh: the choices of the verb `export`, and what cannot be chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rayfield.core.check import UsageError
from rayfield.geometry import textured_io
from rayfield.geometry.meshio import check_target
from rayfield.geometry.simplify import FEWEST

TEXTURE_SIDE = 2048  # texels
LARGEST_TEXTURE = 16384
SMALLEST_TEXTURE = 16

Corner = tuple[float, float, float]


class Crop(NamedTuple):
    """A box along the axes of the world, in its units: what lies outside is left out."""

    low: Corner
    high: Corner


class Meshing(NamedTuple):
    """How to mesh.

    `resolution`: cells along the longest side of what is meshed. `threshold`: density of the
    surface, 1 / world unit; None: the usual one. `frame`: that of the vertices, "world" or
    "scene". `faces`: at most so many; None: as they come. `crop`: only what lies in that box.
    `pieces`: at most so many separate ones, the largest; None: all but crumbs. `texture`: side of
    a picture to put on the mesh, in texels; None: colours at the vertices.
    """

    resolution: int = 192
    threshold: float | None = None
    frame: str = "world"
    faces: int | None = None
    crop: Crop | None = None
    pieces: int | None = None
    texture: int | None = None


DEFAULT = Meshing()


def check_meshing(meshing: Meshing) -> None:
    """Raise UsageError for choices that make no mesh of anything."""
    if meshing.frame not in ("world", "scene"):
        raise UsageError(f"there is no frame {meshing.frame!r}; give world or scene")
    if meshing.threshold is not None and not 0 < meshing.threshold < math.inf:
        raise UsageError(f"threshold {meshing.threshold} is no density; give more than 0")
    if meshing.faces is not None and meshing.faces < FEWEST:
        raise UsageError(f"--faces {meshing.faces} enclose nothing; give {FEWEST} at least")
    if meshing.pieces is not None and meshing.pieces < 1:
        raise UsageError(f"--pieces {meshing.pieces} leaves nothing; give 1 at least")
    side = meshing.texture
    if side is not None and not SMALLEST_TEXTURE <= side <= LARGEST_TEXTURE:
        raise UsageError(
            f"a texture of {side}x{side} cannot be made; sides go from {SMALLEST_TEXTURE} to "
            f"{LARGEST_TEXTURE}"
        )


def check_file(path: Path, meshing: Meshing, *, force: bool) -> None:
    """Refuse, before any work, a file that could not be written, and choices that make no mesh."""
    if meshing.texture is None:
        check_target(path, force=force)
    else:
        textured_io.check_textured_target(path, force=force)
    check_meshing(meshing)


def check_kept(meshing: Meshing, what: str) -> None:
    """Refuse choices that say how to find a surface, of a run that keeps `what`."""
    if meshing.threshold is not None:
        raise UsageError(f"--threshold is a density; this run keeps {what}")


def parse_crop(text: str | None) -> Crop | None:
    """The box of "x0,y0,z0,x1,y1,z1", corners in any order. Raises UsageError."""
    if text is None:
        return None
    try:
        numbers = [float(word) for word in text.replace(",", " ").split()]
    except ValueError:
        numbers = []
    if len(numbers) != 6 or not all(map(math.isfinite, numbers)):
        raise UsageError(f"--crop {text!r}: give two corners in world units, as x0,y0,z0,x1,y1,z1")
    return crop_of(numbers)


def crop_of(numbers: Sequence[float] | None) -> Crop | None:
    """The box between two corners (x0, y0, z0, x1, y1, z1), in any order. Raises UsageError."""
    if numbers is None:
        return None
    if len(numbers) != 6 or not all(map(math.isfinite, numbers)):
        raise UsageError(f"a crop is x0, y0, z0, x1, y1, z1, not {list(numbers)}")
    x, y, z = (sorted(pair) for pair in zip(numbers[:3], numbers[3:], strict=True))
    crop = Crop((x[0], y[0], z[0]), (x[1], y[1], z[1]))
    if any(a == b for a, b in zip(*crop, strict=True)):
        raise UsageError(f"the box of the crop {list(numbers)} is flat: its corners must differ")
    return crop
