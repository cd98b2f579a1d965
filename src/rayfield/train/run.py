"""The run folder: everything about one training, and where each part of it lies.

RUN/run.json              what was asked for, and of what data (this file)
RUN/checkpoints/step-N/   see checkpoint.py
RUN/log.jsonl             see log.py
RUN/figures/  renders/  meshes/  metrics.json  mesh.json
"""

from __future__ import annotations

import os
import platform
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from rayfield import __version__
from rayfield.core.check import DataError, RayfieldError, UsageError
from rayfield.train.files import read_json, replace_synced, sync_folder, to_json
from rayfield.train.record import FIX, DataRecord, Record, checked

SCHEMA = 1
LONGEST_NAME = 255  # bytes of a file name, on every file system in use
LONGEST_PATH = 4000  # bytes; leaves room for the names inside the run


@dataclass(frozen=True)
class Run:
    """A run folder and the record in it.

    Only run.json is sure to exist; the folders are created by what writes into them.
    """

    path: Path
    record: Record

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def log(self) -> Path:
        """File of the training log."""
        return self.path / "log.jsonl"

    @property
    def figures(self) -> Path:
        """Folder of curves and other pictures of the training."""
        return self.path / "figures"

    @property
    def renders(self) -> Path:
        """Folder of rendered views and videos."""
        return self.path / "renders"

    @property
    def meshes(self) -> Path:
        """Folder of exported meshes."""
        return self.path / "meshes"

    @property
    def metrics(self) -> Path:
        """File of the evaluation's results."""
        return self.path / "metrics.json"

    @property
    def mesh(self) -> Path:
        """File of what is known of the newest mesh that was exported."""
        return self.path / "mesh.json"

    @property
    def drop_invalid(self) -> bool:
        """Whether points of the data that are not finite numbers are left out."""
        return self.record["data"].get("drop_invalid") is True

    def find_data(self) -> Path:
        """The data folder: where it was, or beside a run that was moved together with it.

        Raises DataError if it is in neither place.
        """
        data = self.record["data"]
        for candidate in (Path(data["path"]), self.path / data["relative"]):
            if candidate.exists():
                return candidate
        fix = "put the data back, or say where it is now"
        raise DataError(data["path"], f"the data of the run {self.path} is not there", fix)


def describe_data(
    root: Path, run: Path, *, fingerprint: str, splits: dict[str, int], downscale: int
) -> DataRecord:
    """The record of a data folder, seen from the folder of the run that uses it."""
    absolute = root.absolute()
    try:
        relative = Path(os.path.relpath(absolute, run.absolute()))
    except ValueError:  # another drive
        relative = absolute
    return DataRecord(
        given=root.as_posix(),
        path=absolute.as_posix(),
        relative=relative.as_posix(),
        fingerprint=fingerprint,
        splits=splits,
        downscale=downscale,
    )


def check_folder(path: Path) -> None:
    """Check, before any work, that a new run can be created in `path`; leaves nothing behind.

    Raises UsageError if the path is too long, is or lies below a file, holds a run or other
    files; RayfieldError if it cannot be written.
    """
    parts = [len(os.fsencode(part)) for part in path.absolute().parts]
    if max(parts) > LONGEST_NAME or sum(parts) + len(parts) > LONGEST_PATH:
        raise UsageError(f"{str(path)[:60]}...: the path is too long; choose a shorter one with -o")
    try:
        if (path / "run.json").exists():
            raise UsageError(
                f"{path}: holds a run already; continue it with `rayfield resume {path}`, or "
                "choose another folder with -o"
            )
        folder = path.absolute()
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir():
            raise UsageError(f"{folder}: a file, not a folder; choose another place with -o")
        if path.exists() and any(not item.name.startswith(".") for item in path.iterdir()):
            raise UsageError(f"{path}: the folder is not empty; choose a new one with -o")
        os.rmdir(tempfile.mkdtemp(prefix=".rayfield-", dir=folder))
    except OSError as error:
        raise _unwritable(path, error) from None


def create_run(path: Path, record: Record) -> Run:
    """Create the run folder and its run.json, with the schema and package versions added.

    Raises what `check_folder` does, and UsageError on values that are not finite; nothing is then
    written. The caller holds the lock of `path` (see lock.py).
    """
    check_folder(path)
    try:
        content = to_json({"schema": SCHEMA, "versions": package_versions(), **record})
    except ValueError:
        raise UsageError(f"{path}: the config holds NaN or infinity; give finite values") from None
    try:
        path.mkdir(parents=True, exist_ok=True)
        replace_synced(path / "run.json", content)
        sync_folder(path.absolute().parent)
    except OSError as error:
        raise _unwritable(path, error) from None
    return Run(path, record)


def open_run(path: Path) -> Run:
    """The run in a folder; only reads. Raises DataError if it is missing, damaged or newer."""
    file = path / "run.json"
    if not file.exists():
        fix = "give a folder made by `rayfield train`"
        raise DataError(path, "no run here (there is no run.json)", fix)
    content = read_json(file, FIX)
    check_schema(file, content, SCHEMA)
    return Run(path, checked(file, content))


def check_schema(file: Path, content: dict[str, Any], known: int) -> None:
    """Raise DataError unless `content["schema"]` is one this version reads."""
    schema = content.get("schema")
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise DataError(file, "has no schema version", FIX)
    if schema > known:
        versions = content.get("versions")
        version = versions.get("rayfield") if isinstance(versions, dict) else None
        newer = f"rayfield >= {version}" if isinstance(version, str) else "a newer rayfield"
        what = f"has schema {schema}, but rayfield {__version__} reads up to {known}"
        raise DataError(file, what, f"needs {newer}")


def package_versions() -> dict[str, str]:
    """Versions of rayfield, Python and the packages that results depend on."""
    packages = {name: metadata.version(name) for name in ("torch", "numpy", "numba", "safetensors")}
    return {"rayfield": __version__, "python": platform.python_version(), **packages}


def _unwritable(path: Path, error: OSError) -> RayfieldError:
    what = f"{path}: cannot be written ({error.strerror})"
    return RayfieldError(f"{what}; choose another folder with -o")
