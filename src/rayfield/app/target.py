"""What explicit geometry is fitted to: posed photos of a cut-out subject."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rayfield.app.photos import Photos
from rayfield.app.source import Source
from rayfield.data.load import load_scene


def open_target(path: Path, *, cfg: Any, downscale: int) -> Source:
    """The posed photos in a folder, `cfg.views` of them in a batch. Raises DataError."""
    return Photos(load_scene(path, downscale=downscale), views=cfg.views)
