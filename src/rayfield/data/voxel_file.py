"""Solids in .npz and .npy files: grids of cells, one or many; nothing in them is ever executed.

A file holds one array of true and false (or 0 and 1) of shape [R, R, R] or [S, R, R, R], or packed
bits: `bits` of type uint8 and shape [S, R^3 / 8], as numpy.packbits(grids.reshape(S, -1), axis=1)
gives them, with or without `shape` (R, R, R).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from rayfield.core.check import DataError
from rayfield.geometry.arrayfile import check_bytes, names_in, read_npy, read_npz

SUFFIXES = (".npz", ".npy")
MOST_CELLS = 2**30  # bytes once unpacked
KINDS = "buif"  # what is not 0 and 1 is told of later
LEAST, MOST = 4, 256  # cells a side
FORM = "save one array of true and false, [R, R, R] or [S, R, R, R], with numpy.savez"


def read_voxels(path: Path) -> Bool[Tensor, "S R R R"]:
    """The grids in a file, each with a true cell and a false one. Raises DataError."""
    grids = torch.from_numpy(np.ascontiguousarray(_cubes(path, _load(path))))
    filled = grids.flatten(1).float().mean(dim=1)
    for name, wrong in (("empty", filled == 0), ("solid throughout", filled == 1)):
        if wrong.any():
            where = f"grid {int(wrong.nonzero()[0])} is {name}, so it has no surface"
            raise DataError(path, where, "leave it out")
    return grids


def _load(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file by name, not before their sizes are known."""
    if path.suffix.lower() == ".npy":
        array = read_npy(path, kinds=KINDS)
        check_bytes(path, array.nbytes, MOST_CELLS)
        return {"voxels": array}
    names = names_in(path)
    packed = "bits" in names and set(names) <= {"bits", "shape"}
    if not packed and len(names) != 1:
        found = ", ".join(names[:8]) or "none"
        raise DataError(path, f"must hold one array of grids, but holds {found}", FORM)
    return read_npz(path, names, most=MOST_CELLS, kinds=KINDS)


def _cubes(path: Path, arrays: dict[str, np.ndarray]) -> Bool[np.ndarray, "S R R R"]:
    grids = _unpacked(path, arrays) if "bits" in arrays else next(iter(arrays.values()))
    if grids.ndim == 3:
        grids = grids[None]
    sides = set(grids.shape[1:])
    if grids.ndim != 4 or len(sides) != 1 or not len(grids):
        raise DataError(path, f"holds an array of shape {list(grids.shape)}, not of cubes", FORM)
    _check_side(path, grids.shape[1])
    if grids.dtype.kind not in "bui" or (grids.dtype.kind != "b" and int(grids.max()) > 1):
        kind = f"values of type {grids.dtype}" if grids.dtype.kind not in "ui" else "other numbers"
        raise DataError(path, f"holds {kind} where 0 and 1 are expected", FORM)
    if grids.dtype.kind == "i" and int(grids.min()) < 0:
        raise DataError(path, "holds negative numbers where 0 and 1 are expected", FORM)
    return grids.astype(bool)


def _unpacked(path: Path, arrays: dict[str, np.ndarray]) -> Bool[np.ndarray, "S R R R"]:
    bits = arrays["bits"]
    if bits.dtype != np.uint8 or bits.ndim != 2:
        what = f"holds bits of type {bits.dtype} and shape {list(bits.shape)}"
        raise DataError(path, what, "pack grids with numpy.packbits(..., axis=1)")
    side = round((bits.shape[1] * 8) ** (1 / 3))
    if side**3 != bits.shape[1] * 8:
        what = f"holds rows of {bits.shape[1] * 8} bits, which are no cube of cells"
        raise DataError(path, what, "pack grids of R^3 cells, R a multiple of 2")
    shape = arrays.get("shape", np.array([side] * 3))
    if shape.shape != (3,) or not np.array_equal(shape, [side] * 3):
        raise DataError(path, f"says shape {shape.tolist()} of grids of {side}^3 cells", FORM)
    _check_side(path, side)
    check_bytes(path, bits.size * 8, MOST_CELLS)
    return np.unpackbits(bits, axis=1).reshape(-1, side, side, side).astype(bool)


def _check_side(path: Path, side: int) -> None:
    if not LEAST <= side <= MOST:
        what = f"holds grids of {side} cells a side"
        raise DataError(path, what, f"give {LEAST} to {MOST} cells")
