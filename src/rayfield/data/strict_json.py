"""JSON from strangers: bounded, no duplicate keys, no NaN, no infinity; errors say where."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from rayfield.core.check import DataError
from rayfield.data.files import contents

MAX_BYTES = 200_000_000
MAX_DEPTH = 40
LARGEST = 1e300


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file (UTF-8, with or without BOM).

    Raises DataError for a file that is missing, too large, not UTF-8, not JSON (with line and
    column), nested too deep, or that holds a key twice or a number that is not finite (with its
    place, as `frames[3].fl_x`).
    """
    text = _read_text(path)
    try:
        document = json.loads(
            text, object_pairs_hook=lambda pairs: _object(path, pairs), parse_int=_integer
        )
    except json.JSONDecodeError as error:
        what = "is empty" if not text.strip() else f"is not valid JSON ({error.msg})"
        where = f"{what} at line {error.lineno}, column {error.colno}"
        raise DataError(path, where, "the file may be cut short: copy or export it again") from None
    except RecursionError:
        raise _too_deep(path) from None
    if not isinstance(document, dict):
        raise DataError(path, "does not hold a JSON object", "export it again")
    _check_values(path, document)
    return document


def _read_text(path: Path) -> str:
    raw = contents(path, limit=MAX_BYTES)
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(path, "is UTF-16 text", "save it as UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(path, f"is not UTF-8 at byte {error.start}", "save it as UTF-8") from None


def _too_deep(path: Path) -> DataError:
    return DataError(path, f"is nested more than {MAX_DEPTH} levels deep", "export it again")


def _integer(digits: str) -> int | float:
    # int() takes quadratic time; a number this long is not a camera's anyway
    return int(digits) if len(digits) < 300 else math.inf


def _object(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            what = f"holds the key {key!r:.200} twice in one object"
            raise DataError(path, what, "remove one of them")
        found[key] = value
    return found


def _check_values(path: Path, document: dict[str, Any]) -> None:
    """Walk all values: numbers must be finite, nesting bounded."""
    stack: list[tuple[Any, str, int]] = [(document, "", 0)]
    while stack:
        value, place, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise _too_deep(path)
        if isinstance(value, dict):
            stack.extend((v, f"{place}.{k}" if place else k, depth + 1) for k, v in value.items())
        elif isinstance(value, list):
            stack.extend((v, f"{place}[{i}]", depth + 1) for i, v in enumerate(value))
        elif isinstance(value, float | int) and not abs(value) < LARGEST:
            what = f"{place!r} is not a finite number"
            raise DataError(path, what, "correct the value or remove the frame")
