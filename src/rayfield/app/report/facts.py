"""What a run folder holds for a page about it; what is missing or damaged is told, not raised."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from rayfield.app.catalogue import find_method
from rayfield.app.learned import cameras as cams
from rayfield.core.check import DataError, RayfieldError
from rayfield.train.files import read_json
from rayfield.train.log import read_log
from rayfield.train.run import Run, open_run

FRAMES = 7  # pictures of a strip
TOLD = "delete it and make it anew"


class Frame(NamedTuple):
    """A picture of what was learned after some seconds of training, and what is written below."""

    file: Path
    label: str
    seconds: float
    psnr: float | None


@dataclass
class Facts:
    """A run as its folder tells of it. `problems` are sentences about what could not be used."""

    run: Run
    versions: dict[str, str] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    view: str | None = None
    metrics: dict[str, Any] | None = None
    mesh: dict[str, Any] | None = None
    cameras: tuple[cams.NamedCamera, ...] = ()
    problems: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The lines of the log that tell of loss terms and time, with seconds that are numbers."""
        return [
            row
            for row in self.log
            if isinstance(row.get("terms"), dict) and is_number(row.get("seconds"))
        ]

    @property
    def has_surface(self) -> bool:
        """Whether runs of its kind can be exported as meshes."""
        record = self.run.record
        try:
            offers = find_method(record["method"]).offers
        except RayfieldError:
            return False
        flat = len(record["config"].get("sizes", (0, 0, 0))) < 3  # a picture or a signal
        return "export" in offers and not flat and self.kept_points is False

    @property
    def kept_points(self) -> bool:
        """Whether it keeps points, which are exported, but are no surface."""
        return self.run.record["method"] == "point_optimisation"

    @contextlib.contextmanager
    def trying(self, what: str) -> Iterator[None]:
        """Go on after an error of the block, and tell of it."""
        try:
            yield
        except RayfieldError as error:
            self.problems.append(f"{what}: {error}")
        except OSError as error:
            self.problems.append(f"{what}: {error.strerror or error}")


def read_facts(path: Path) -> Facts:
    """Everything that can be read of a run. Raises DataError if there is none in the folder."""
    run = open_run(path)
    facts = Facts(run)
    with facts.trying("versions"):
        versions = read_json(path / "run.json", TOLD).get("versions")
        if isinstance(versions, dict):
            facts.versions = {str(name): str(version) for name, version in versions.items()}
    with facts.trying("log.jsonl"):
        facts.log = read_log(run.log)
    if not facts.log:
        facts.problems.append("log.jsonl is missing or empty: there are no curves")
    with facts.trying("the strip of sharpening pictures"):
        _read_strip(facts)
    with facts.trying("metrics.json"):
        facts.metrics = _if_there(run.metrics)
    with facts.trying("mesh.json"):
        facts.mesh = _if_there(run.mesh)
    if "bounded" in run.record["traits"] and "scenes" not in run.record["traits"]:
        with facts.trying("cameras.json"):
            facts.cameras = cams.load_cameras(path / "cameras.json")
    return facts


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value read from JSON is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _if_there(file: Path) -> dict[str, Any] | None:
    return read_json(file, TOLD) if file.exists() else None


def _read_strip(facts: Facts) -> None:
    """The small pictures of the training, evenly chosen, and which view they show."""
    folder = facts.run.figures
    if not (folder / "sharpening.json").exists():
        return
    content = read_json(folder / "sharpening.json", TOLD)
    rows = content.get("frames")
    if not isinstance(rows, list):
        raise DataError(folder / "sharpening.json", "has no list of frames", TOLD)
    found = [frame for row in rows if (frame := _frame(folder, row)) is not None]
    count = min(FRAMES, len(found))
    chosen = {round(i * (len(found) - 1) / max(count - 1, 1)) for i in range(count)}
    facts.frames = [found[i] for i in sorted(chosen)]
    facts.view = None if content.get("view") is None else str(content["view"])


def _frame(folder: Path, row: Any) -> Frame | None:
    """A line of the strip; None unless it names a picture of the folder."""
    if not isinstance(row, dict) or not is_number(row.get("seconds")):
        return None
    name = str(row.get("file"))
    if not re.fullmatch(r"preview-\d{1,18}\.png", name) or not (folder / name).is_file():
        return None
    psnr = row["psnr"] if is_number(row.get("psnr")) else None
    quality = str(row.get("remark") or ("" if psnr is None else f"{psnr:.1f} dB"))
    return Frame(folder / name, f"{row['seconds']:.3g} s  {quality}".strip(), row["seconds"], psnr)
