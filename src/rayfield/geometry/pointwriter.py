"""Point clouds to binary PLY files, with normals and colours where there are some."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from rayfield.core.check import RayfieldError, UsageError
from rayfield.core.types import PointCloud
from rayfield.geometry.wholefile import write_whole


def check_points_target(path: Path, *, force: bool = False) -> None:
    """Refuse, before any work, a file name that `write_points` would refuse.

    `UsageError` for another extension than .ply; `RayfieldError` for a file that exists, unless
    `force`.
    """
    if path.suffix.lower() != ".ply":
        raise UsageError(f"{path}: points without faces are written as .ply; end the name so")
    if path.is_dir():
        raise RayfieldError(f"{path}: is a folder; name a file")
    if path.exists() and not force:
        raise RayfieldError(f"{path}: exists already; choose another name or force overwriting")


def write_points(
    path: Path,
    cloud: PointCloud,
    *,
    colors: UInt8[np.ndarray, "N 3"] | None = None,
    force: bool = False,
) -> None:
    """Write points as PLY: x y z, then nx ny nz and red green blue where given; single precision.

    The file appears complete or not at all. Raises as `check_points_target` does, and
    `RayfieldError` for no points or when the disk refuses.
    """
    check_points_target(path, force=force)
    if not len(cloud.points):
        raise RayfieldError(f"{path}: not written, as there are no points")
    write_whole(path, _encode(cloud, colors))


def _encode(cloud: PointCloud, colors: np.ndarray | None) -> bytes:
    columns: list[tuple[str, str, np.ndarray]] = []
    for names, kind, values in (
        ("x y z", "<f4", cloud.points),
        ("nx ny nz", "<f4", cloud.normals),
        ("red green blue", "u1", colors),
    ):
        if values is not None:
            columns += [(name, kind, values[:, k]) for k, name in enumerate(names.split())]
    table = np.empty(len(cloud.points), dtype=[(name, kind) for name, kind, _ in columns])
    for name, _, values in columns:
        table[name] = values
    types = {"<f4": "float", "u1": "uchar"}
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        "comment rayfield",
        f"element vertex {len(table)}",
        *(f"property {types[kind]} {name}" for name, kind, _ in columns),
        "end_header",
    ]
    return ("\n".join(lines) + "\n").encode() + table.tobytes()
