"""What run.json says of a run, and whether it is what it should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NotRequired, TypedDict

from rayfield.core.check import DataError

FIX = "restore the file from a copy, or start a new run"


class DataRecord(TypedDict):
    """Which data a run learns from. Paths are POSIX text; `relative` starts at the run folder."""

    given: str
    path: str
    relative: str
    fingerprint: str
    splits: dict[str, int]
    downscale: int
    drop_invalid: NotRequired[bool]
    masks: NotRequired[str | None]
    exif: NotRequired[str | None]


class Asked(TypedDict):
    """What was asked for beside data and budget: the preset (None: the default), and settings."""

    preset: str | None
    settings: list[str]


class Record(TypedDict):
    """What a run is, as plain JSON values: the content of run.json beside versions. `prepared`:
    seconds until training could begin."""

    method: str
    config: dict[str, Any]
    data: DataRecord
    world_from_scene: list[list[float]]
    traits: dict[str, Any]
    seed: int
    budget: dict[str, Any]
    asked: NotRequired[Asked]
    prepared: NotRequired[float]


_RECORD_TYPES = {
    "method": str,
    "config": dict,
    "data": dict,
    "world_from_scene": list,
    "traits": dict,
    "seed": int,
    "budget": dict,
}
_DATA_TYPES = {
    "given": str,
    "path": str,
    "relative": str,
    "fingerprint": str,
    "splits": dict,
    "downscale": int,
}


def checked(file: Path, content: dict[str, Any]) -> Record:
    """The record in the content of a run.json. Raises DataError unless it is one."""
    _check_types(file, content, _RECORD_TYPES)
    _check_types(file, content["data"], _DATA_TYPES, prefix="data.")
    rows = content["world_from_scene"]
    square = len(rows) == 4 and all(isinstance(row, list) and len(row) == 4 for row in rows)
    if not square or not all(_is_finite(value) for row in rows for value in row):
        raise DataError(file, "world_from_scene is not a 4x4 matrix of numbers", FIX)
    found = {key: content[key] for key in _RECORD_TYPES}
    asked, prepared = content.get("asked"), content.get("prepared")
    if isinstance(asked, dict):
        found["asked"] = {"preset": asked.get("preset"), "settings": asked.get("settings", [])}
    if _is_finite(prepared) and not isinstance(prepared, bool):
        found["prepared"] = prepared
    return Record(**found)  # type: ignore[typeddict-item]


def _check_types(
    file: Path, content: dict[str, Any], types: dict[str, type], *, prefix: str = ""
) -> None:
    for key, kind in types.items():
        if key not in content:
            raise DataError(file, f"{prefix}{key} is missing", FIX)
        if not isinstance(content[key], kind) or isinstance(content[key], bool):
            what = f"{prefix}{key} is {type(content[key]).__name__}, not {kind.__name__}"
            raise DataError(file, what, FIX)


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) < 1e300
