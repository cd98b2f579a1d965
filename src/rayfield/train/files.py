"""Durable file writing and distrustful JSON reading.

Write order: a temporary name in the same folder, fsync the file, rename, fsync the folder. So a
reader, or the next start after a power cut, finds the old content or the new, nothing between.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

from rayfield.core.check import DataError

JSON_LIMIT = 64 * 2**20  # bytes; our own files are far smaller, a larger one is not ours
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL
if sys.platform == "win32":
    CREATE |= os.O_BINARY


def write_synced(path: Path, data: bytes) -> None:
    """Create `path` (which must not exist) holding `data`, on the disk when this returns.

    Raises OSError; what was written so far is then removed.
    """
    handle = os.open(path, CREATE, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise
    finally:
        os.close(handle)


def sync_folder(path: Path) -> None:
    """Put the names in a folder on the disk (a no-op where folders cannot be opened)."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_synced(path: Path, data: bytes) -> None:
    """Give `path` the content `data` atomically. Raises OSError; the old content then stands."""
    temp = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        temp.unlink()
    write_synced(temp, data)
    try:
        os.replace(temp, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temp.unlink()
        raise
    sync_folder(path.parent)


def to_json(value: Any, *, indent: int | None = 1) -> bytes:
    """`value` as UTF-8 JSON with a final newline. Raises ValueError on NaN and infinities.

    Bytes of file names that are not text become JSON escapes, and themselves again when read.
    """
    text = json.dumps(value, indent=indent, allow_nan=False, ensure_ascii=False)
    return (text + "\n").encode("utf-8", errors="backslashreplace")


def write_json(path: Path, value: Any) -> None:
    """Atomically give `path` the content `value` as JSON. Raises OSError, ValueError."""
    replace_synced(path, to_json(value))


def read_json(path: Path, fix: str) -> dict[str, Any]:
    """The JSON object in `path`, at most 64 MiB of UTF-8.

    Raises DataError, ending in `fix`, on anything else: not a regular file, truncated, NaN or
    infinite numbers, duplicate keys, absurd nesting.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError(path, "not a regular file", fix)
        if status.st_size > JSON_LIMIT:
            raise DataError(path, f"{status.st_size} bytes of JSON, far too large", fix)
        text = path.read_bytes().decode("utf-8-sig")
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
    except OSError as error:
        raise DataError(path, f"cannot be read ({error.strerror})", fix) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise DataError(path, f"not valid JSON at {where} ({error.msg})", fix) from None
    except UnicodeDecodeError as error:
        raise DataError(path, f"not UTF-8 text at byte {error.start}", fix) from None
    except RecursionError:
        raise DataError(path, "nested too deeply", fix) from None
    except ValueError as error:
        raise DataError(path, str(error), fix) from None
    if not isinstance(value, dict):
        raise DataError(path, "not a JSON object", fix)
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"holds {name}, which is not a number")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"holds the key {twice!r} twice")
    return value
