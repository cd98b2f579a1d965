"""The scene that comes with the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def demo_photos() -> Path:
    """The folder of the demo scene: posed photos, and the exact mesh of what they show."""
    return Path(str(resources.files("rayfield"))) / "assets" / "demo"
