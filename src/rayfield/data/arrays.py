"""Signals and pictures in .npy and .npz files; nothing in them is ever executed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from rayfield.core.check import DataError
from rayfield.geometry.arrayfile import check_bytes, names_in, read_npy, read_npz

SUFFIXES = (".npy", ".npz")
MOST_BYTES = 2**30
KINDS = "fiub"  # real and whole numbers, true and false
MOST_CHANNELS = 4  # a wider array of two axes is a grey picture
SHAPES = "use [N] or [N, C] for a signal, [H, W] or [H, W, 3] for a picture"


def read_samples(
    path: Path, downscale: int
) -> tuple[Float[np.ndarray, "H W C"], float, float, list[str]]:
    """Values in [0, 1] of the array in a file, what 0 and 1 stand for in it, and remarks.

    A signal of shape [N] or [N, C], C <= 4, becomes [1, N, C]; a picture [H, W] becomes
    [H, W, 1]. Raises DataError for anything else, and for NaN or infinity.
    """
    array = _load(path)
    shaped = _shaped(path, array)
    values = shaped.astype(np.float64)
    if not np.isfinite(values).all():
        place = [int(i) for i in np.argwhere(~np.isfinite(array))[0]]
        raise DataError(path, f"holds NaN or infinity, first at {place}", "replace those values")
    low, high = _range(array.dtype, values)
    notes = []
    if (low, high) != (0.0, 1.0) and array.dtype.kind != "u":
        notes.append(f"values from {low:.6g} to {high:.6g} are learned as 0 to 1")
    values = (values - low) / (high - low)
    return _averaged(values, downscale).astype(np.float32), low, high, notes


def _load(path: Path) -> np.ndarray:
    """The only array of a file, not before its size is known."""
    if path.suffix.lower() == ".npy":
        array = read_npy(path, kinds=KINDS)
        check_bytes(path, array.size * 8, MOST_BYTES)  # as float64
        return array
    names = names_in(path)
    if len(names) != 1:
        found = ", ".join(names[:8]) or "none"
        raise DataError(path, f"must hold one array, but holds {found}", "save only that one")
    return read_npz(path, names, most=MOST_BYTES, kinds=KINDS)[names[0]]


def _shaped(path: Path, array: np.ndarray) -> np.ndarray:
    """[N], [N, C], [H, W], [H, W, 1 or 3] as [H, W, C]."""
    if array.size == 0:
        raise DataError(path, f"is empty (shape {list(array.shape)})", SHAPES)
    if array.ndim == 1:
        return array[None, :, None]
    if array.ndim == 2 and array.shape[1] <= MOST_CHANNELS:
        return array[None]
    if array.ndim == 2:
        return array[..., None]
    if array.ndim == 3 and array.shape[2] in (1, 3):
        return array
    raise DataError(path, f"has shape {list(array.shape)}", SHAPES)


def _range(kind: np.dtype, values: np.ndarray) -> tuple[float, float]:
    """What 0 and 1 are to stand for."""
    if kind in (np.uint8, np.uint16):
        return 0.0, float(np.iinfo(kind).max)
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return low, high if high > low else low + 1.0


def _averaged(values: np.ndarray, factor: int) -> np.ndarray:
    """Means over blocks of factor^2 samples (of a signal: of `factor`)."""
    height, width, channels = values.shape
    rows = factor if height > 1 else 1
    h, w = height // rows, width // factor
    blocks = values[: h * rows, : w * factor].reshape(h, rows, w, factor, channels)
    return np.asarray(blocks.mean(axis=(1, 3)))
