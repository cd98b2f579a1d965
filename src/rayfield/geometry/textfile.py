"""Files of strangers: their bytes and lines within bounds, and rows of numbers in them."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from rayfield.core.check import DataError

MOST_BYTES = 8 * 2**30  # of a file
MAPPED = 2**28  # bytes from which a file is mapped instead of read
LONGEST = 2**20  # bytes of a line
CHUNK = 2**14  # lines looked at together
FARTHEST = 1e100  # a coordinate beyond which squares overflow
DROPPING = "export it again, or leave them out with --drop-invalid, which `rayfield train` takes"
PACKED = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}

Line = tuple[int, bytes]  # its number from 1, and its bytes without the line end


def check_file(path: Path, *, packed: bool = False) -> int:
    """The size of a file that can be read; DataError for a folder, a device, an empty, a huge, or
    (unless `packed`) a compressed one.
    """
    try:
        if path.exists() and not path.is_file():
            raise DataError(path, "is not a file", "name a file")
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(8)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise DataError(path, f"could not be read ({why})", "check its name") from None
    if not head:
        raise DataError(path, "is empty", "copy or export it again")
    if size > MOST_BYTES:
        raise DataError(path, f"is {size / 2**30:.1f} GiB", f"at most {MOST_BYTES >> 30} are read")
    kind = next((name for magic, name in PACKED.items() if head.startswith(magic)), "")
    if kind and not packed:
        raise DataError(path, f"is compressed ({kind})", "unpack it first")
    return size


def contents(path: Path) -> UInt8[np.ndarray, " B"]:
    """The bytes of a file; a large one stays on disk until its bytes are looked at."""
    size = check_file(path)
    try:
        if size > MAPPED:
            return np.memmap(path, np.uint8, "r")
        return np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise DataError(path, f"could not be read ({error.strerror})") from None


def lines(path: Path, *, start: int = 0, number: int = 0) -> Iterator[Line]:
    """The lines of a file from byte `start` on, which is line `number` + 1.

    A mark of UTF-8 before the first is stepped over.
    """
    try:
        with path.open("rb") as file:
            file.seek(start)
            while line := file.readline(LONGEST + 1):
                number += 1
                if len(line) > LONGEST:
                    what = f"line {number} is longer than {LONGEST} bytes"
                    raise DataError(path, what, "check that it is a text file of its kind")
                if number == 1:
                    line = line.removeprefix(BOM_UTF8)
                yield number, line.strip()
    except OSError as error:
        raise DataError(path, f"could not be read ({error.strerror})") from None


def filled(source: Iterable[Line], comment: bytes = b"#") -> Iterator[Line]:
    """The lines with something on them, without comments."""
    for number, line in source:
        text = line.split(comment, 1)[0].strip() if comment in line else line
        if text:
            yield number, text


def rows(
    path: Path, source: Iterable[Line], columns: int, *, limit: int | None = None
) -> Iterator[Float[np.ndarray, "N C"]]:
    """Blocks of rows of exactly `columns` numbers, one row a line, `limit` rows in all."""
    left = limit
    source = iter(source)
    while left is None or left > 0:
        chunk = list(islice(source, CHUNK if left is None else min(CHUNK, left)))
        if not chunk:
            return
        left = None if left is None else left - len(chunk)
        yield _block(path, chunk, columns)


def all_rows(
    path: Path, source: Iterable[Line], columns: int, *, count: int, every: int = 1, what: str
) -> Float[np.ndarray, "N C"]:
    """`count` rows in one array, or of these the first and then each `every`th one. DataError
    where there are fewer; `what` names the rows in it.
    """
    found, seen = [np.zeros((0, columns))], 0
    for block in rows(path, source, columns, limit=count):
        found.append(block[-seen % every :: every])
        seen += len(block)
    if seen < count:
        raise DataError(path, f"ends after {seen} of {count} {what}", "copy or export it again")
    return np.concatenate(found)


def number_in(path: Path, line: int, text: bytes) -> float:
    """One number; infinite or not a number where the text says so. DataError for other text."""
    try:
        if b"_" in text:
            raise ValueError
        return float(text)
    except ValueError:
        fix = "write decimals with a point" if b"," in text else "check the file"
        raise DataError(path, f"line {line}: {shown(text)} is not a number", fix) from None


def whole_in(path: Path, line: int, text: bytes, *, what: str) -> int:
    """One whole number of at most 18 digits; `what` names it in the DataError for others."""
    digits = text[1:] if text[:1] in (b"-", b"+") else text
    if not digits.isdigit() or len(digits) > 18:
        raise DataError(path, f"line {line}: {shown(text)} is no {what}", "check the file")
    return int(text)


def wholes_in(path: Path, line: int, words: list[bytes], *, what: str) -> list[int]:
    """Whole numbers, as `whole_in` reads each."""
    if all(word.isdigit() and len(word) < 19 for word in words):  # the usual case, at once
        return [int(word) for word in words]
    return [whole_in(path, line, word, what=what) for word in words]


def shown(text: bytes) -> str:
    """A piece of a file as it can stand in a message of one line."""
    return repr(text[:24].decode("latin-1"))


def _block(path: Path, chunk: list[Line], columns: int) -> np.ndarray:
    text = b"\n".join(line for _, line in chunk)
    values = text.split()
    try:
        if len(values) != len(chunk) * columns or b"_" in text:
            raise ValueError
        block = np.array([float(value) for value in values])
    except ValueError:
        block = np.array([_row(path, line, columns) for line in chunk])
    return block.reshape(-1, columns)


def _row(path: Path, line: Line, columns: int) -> list[float]:
    """The same for one line, saying what is wrong with it."""
    number, text = line
    parts = text.split()
    row = [number_in(path, number, part) for part in parts]
    if len(row) != columns:
        what = f"line {number} has {len(row)} numbers where {columns} are expected"
        raise DataError(path, what, "check the file")
    return row
