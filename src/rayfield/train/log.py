"""The training log: one JSON object a line, appended as training goes."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from rayfield.train.files import replace_synced, to_json


class Log:
    """Appends records to a log file; opening it drops what lies beyond `step`.

    Every record has an int `step`: the number of steps done when it was written. A line cut short
    by a kill or a full disk is skipped by `read_log`. Raises OSError.
    """

    def __init__(self, path: Path, step: int) -> None:
        kept = [record for record in read_log(path) if record["step"] <= step]
        replace_synced(path, b"".join(to_json(record, indent=None) for record in kept))
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND)
        self._torn = False

    def append(self, record: dict[str, Any]) -> None:
        """Add one line; numbers that are not finite become null. Raises OSError."""
        line = to_json(_finite(record), indent=None)
        if self._torn:  # a full disk took a part of the line before: keep this one whole
            line = b"\n" + line
        self._torn = os.write(self._handle, line) < len(line)

    def close(self) -> None:
        """Release the file."""
        os.close(self._handle)


def read_log(path: Path) -> list[dict[str, Any]]:
    """The records of a log in order; none if there is no log. Lines cut short are left out."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    records = []
    for line in lines:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict) and isinstance(record.get("step"), int):
            records.append(_finite(record))
    return records


def _finite(record: dict[str, Any]) -> dict[str, Any]:
    """The record with null in place of NaN and infinities, also one level down."""
    clean: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            clean[key] = _finite(value)
        else:
            clean[key] = None if isinstance(value, float) and not math.isfinite(value) else value
    return clean
