"""What the worker is asked to do, and the lines of JSON that it answers with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rayfield.app.process.lenses import CameraMode
from rayfield.app.process.pairing import Matching
from rayfield.core.check import DataError, RayfieldError

FRAMES = 150
ENOUGH = 0.8


@dataclass(frozen=True)
class Settings:
    """What a user may choose: see the verb `process`."""

    camera: CameraMode = "auto"
    matching: Matching = "auto"
    frames: int = FRAMES
    least: float = ENOUGH
    partial: bool = False
    exif: Literal["apply", "ignore"] = "apply"
    seed: int = 0


@dataclass(frozen=True)
class Job:
    """A video, or photos by their paths and names, to be worked at in the folder `work`.

    What comes out is left in work/data. `unread`: photos known to be no pictures, and why.
    """

    work: str
    settings: Settings
    threads: int
    video: str | None = None
    photos: tuple[tuple[str, str], ...] = ()
    unread: tuple[tuple[str, str], ...] = ()

    def to_line(self) -> str:
        """The job as one line of JSON."""
        return json.dumps(asdict(self)) + "\n"


def from_line(line: str) -> Job:
    """The job that `Job.to_line` wrote."""
    values = json.loads(line)
    pairs = {key: tuple(map(tuple, values[key])) for key in ("photos", "unread")}
    return Job(**{**values, **pairs, "settings": Settings(**values["settings"])})


def error_event(error: BaseException) -> dict[str, Any]:
    """An error as an answer of the worker."""
    if isinstance(error, DataError):
        return {"error": [str(error.path), error.what, error.fix]}
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return {"failure": f"{where}{error.strerror or error}"}
    if isinstance(error, MemoryError):
        return {"failure": "memory ran out; use smaller photos, or fewer --threads"}
    if isinstance(error, RayfieldError):
        return {"failure": str(error)}
    return {"failure": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}


def raise_error(event: Mapping[str, Any]) -> None:
    """Raise the error that an answer of the worker tells of, if it does."""
    if "error" in event:
        raise DataError(*event["error"])
    if "failure" in event:
        raise RayfieldError(f"the reconstruction failed: {event['failure']}")
