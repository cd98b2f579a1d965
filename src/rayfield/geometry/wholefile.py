"""Files of shapes that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from rayfield.core.check import RayfieldError


def write_whole(path: Path, data: bytes) -> None:
    """Put `data` into `path`, replacing what is there; folders on the way are made.

    `RayfieldError` when the disk refuses; what was there then stands.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise RayfieldError(
            f"{path}: could not be written ({error.strerror}); free space or choose another folder"
        ) from error
