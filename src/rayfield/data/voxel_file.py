"""Solids in .npz and .npy files: grids of cells, one or many; nothing in them is ever executed.

A file holds one array of true and false (or 0 and 1) of shape [R, R, R] or [S, R, R, R], or packed
bits: `bits` of type uint8 and shape [S, R^3 / 8], as numpy.packbits(grids.reshape(S, -1), axis=1)
gives them, with or without `shape` (R, R, R).
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from rayfield.core.check import DataError

SUFFIXES = (".npz", ".npy")
MOST_CELLS = 2**30  # bytes once unpacked
LEAST, MOST = 4, 256  # cells a side
FORM = "save one array of true and false, [R, R, R] or [S, R, R, R], with numpy.savez"


def read_voxels(path: Path) -> Bool[Tensor, "S R R R"]:
    """The grids in a file, each with a true cell and a false one. Raises DataError."""
    if not path.is_file():
        raise DataError(path, "is not a file", "check its name")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            arrays = _load(path)
    except DataError:
        raise
    except Exception as error:  # numpy's and zip's parsers fail in every way on damaged files
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        if "ickle" in reason or "Python objects" in reason:
            raise DataError(path, "holds Python objects, which are never loaded", FORM) from None
        what = f"is not a readable {path.suffix} file ({reason})"
        raise DataError(path, what, "save it again with numpy") from None
    grids = torch.from_numpy(np.ascontiguousarray(_cubes(path, arrays)))
    filled = grids.flatten(1).float().mean(dim=1)
    for name, wrong in (("empty", filled == 0), ("solid throughout", filled == 1)):
        if wrong.any():
            where = f"grid {int(wrong.nonzero()[0])} is {name}, so it has no surface"
            raise DataError(path, where, "leave it out")
    return grids


def _load(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file by name, not before their sizes are known."""
    if path.suffix.lower() == ".npy":
        _affordable(path, path.stat().st_size)
        with path.open("rb") as file:
            array = np.load(file, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise DataError(path, "is an archive", "end its name in .npz")
        return {"voxels": array}
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        if archive.zip is not None:
            _affordable(path, sum(entry.file_size for entry in archive.zip.infolist()))
        names = archive.files
        packed = "bits" in names and set(names) <= {"bits", "shape"}
        if not packed and len(names) != 1:
            found = ", ".join(names[:8]) or "none"
            raise DataError(path, f"must hold one array of grids, but holds {found}", FORM)
        return {name: np.asarray(archive[name]) for name in names}


def _affordable(path: Path, size: int) -> None:
    if size > MOST_CELLS:
        what = f"has {size / 1e6:.0f} MB of cells where {MOST_CELLS / 1e6:.0f} MB are the limit"
        raise DataError(path, what, "take a part of it, or coarser grids")


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
    _affordable(path, bits.size * 8)
    return np.unpackbits(bits, axis=1).reshape(-1, side, side, side).astype(bool)


def _check_side(path: Path, side: int) -> None:
    if not LEAST <= side <= MOST:
        what = f"holds grids of {side} cells a side"
        raise DataError(path, what, f"give {LEAST} to {MOST} cells")
