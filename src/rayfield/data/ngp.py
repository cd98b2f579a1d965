"""instant-ngp's form: one transforms.json that lists all frames, OpenCV lens, no splits."""

from __future__ import annotations

from pathlib import Path

from rayfield.data.scene import Capture, in_natural_order
from rayfield.data.strict_json import read_json_object
from rayfield.data.transforms import read_listing


def read(root: Path, path: Path) -> Capture:
    """Read a listing in a folder. Raises DataError on input that cannot be used."""
    listing = read_listing(root, path, read_json_object(path))
    frames = in_natural_order(listing.frames)
    return Capture(root, "ngp", frames, None, listing.notes, ball=listing.ball)
