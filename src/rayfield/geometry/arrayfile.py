"""Arrays in NPY and NPZ files, whose sizes are checked before anything is unpacked or made."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from rayfield.core.check import DataError
from rayfield.geometry.textfile import check_file

MOST_RATIO = 100  # unpacked by packed; numbers of measurements pack 2 to 5 times
SMALL = 2**24  # bytes that may be packed more tightly
KINDS = "fiu"  # of numbers: real and whole; "b" for true and false


def read_npy(path: Path, *, kinds: str = KINDS) -> Shaped[np.ndarray, ...]:
    """The array of an NPY file, left on disk until it is looked at; DataError for others."""
    check_file(path)
    try:
        with path.open("rb") as file:
            if file.read(6) != np.lib.format.MAGIC_PREFIX:  # else numpy would take it for a pickle
                raise ValueError("it does not begin as one")
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy's parser fails in every way on damaged files
        raise _unreadable(path, error) from None
    return _numbers(path, np.asarray(array), "the array", kinds)


def names_in(path: Path) -> tuple[str, ...]:
    """The names of the arrays in an NPZ file; nothing is unpacked. DataError for other files."""
    check_file(path, packed=True)
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy"))
    except Exception as error:  # zip's parser too
        raise _unreadable(path, error) from None


def read_npz(
    path: Path, names: tuple[str, ...], *, most: int | None = None, kinds: str = KINDS
) -> dict[str, Shaped[np.ndarray, ...]]:
    """Those of the named arrays that an NPZ file holds; the others are not unpacked.

    `most`: bytes of all arrays; None: any number, unless packed more than 100 times. DataError for
    more, and for damaged files and other values.
    """
    check_file(path, packed=True)
    try:
        with zipfile.ZipFile(path) as archive:
            _check_entries(path, archive.infolist(), most)
            found = {}
            for name in names:
                if f"{name}.npy" in archive.namelist():
                    member = archive.read(f"{name}.npy")
                    found[name] = _numbers(path, _array(path, member, name), name, kinds)
    except DataError:
        raise
    except Exception as error:  # zip's and numpy's parsers too
        raise _unreadable(path, error) from None
    return found


def check_bytes(path: Path, size: int, most: int) -> None:
    """Raise DataError for more than `most` bytes of values."""
    if size > most:
        what = f"has {size / 1e6:.0f} MB of values where {most / 1e6:.0f} MB are the limit"
        raise DataError(path, what, "take a part of it, or what is coarser")


def _check_entries(path: Path, entries: list[zipfile.ZipInfo], most: int | None) -> None:
    names = [entry.filename for entry in entries]
    if len(set(names)) < len(names):
        raise DataError(path, "holds two arrays of one name", "save it again with numpy")
    packed, full = (sum(e.compress_size for e in entries), sum(e.file_size for e in entries))
    if most is not None:
        check_bytes(path, full, most)
    elif full > max(SMALL, MOST_RATIO * min(packed, path.stat().st_size)):
        what = f"would unpack from {packed} to {full} bytes"
        raise DataError(path, what, f"no more than {MOST_RATIO} times is unpacked")


def _array(path: Path, member: bytes, name: str) -> np.ndarray:
    """One array of an archive, after its header is found to agree with its size."""
    stream = io.BytesIO(member)
    if np.lib.format.read_magic(stream) == (1, 0):
        shape, fortran, kind = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, fortran, kind = np.lib.format.read_array_header_2_0(stream)
    if kind.hasobject:
        what = f"holds Python objects in {name!r}, which are never loaded"
        raise DataError(path, what, "save plain numbers")
    size, rest = math.prod(shape) * kind.itemsize, len(member) - stream.tell()
    if size != rest:
        raise DataError(path, f"promises {size} bytes in {name!r}, but holds {rest}", "save again")
    flat = np.frombuffer(member, kind, offset=stream.tell())
    return flat.reshape(shape, order="F" if fortran else "C")


def _numbers(path: Path, array: np.ndarray, name: str, kinds: str) -> np.ndarray:
    if array.dtype.names is not None or array.dtype.kind not in kinds:
        what = f"holds values of type {str(array.dtype)[:60]} in {name}"
        raise DataError(path, what, "save real numbers")
    return array


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split())[:100] or type(error).__name__
    if "ickle" in reason or "Python objects" in reason or "Object arrays" in reason:
        what = "holds Python objects, which are never loaded"
        return DataError(path, what, "save plain numbers with numpy.save")
    return DataError(path, f"is not a readable array file ({reason})", "save it again with numpy")
