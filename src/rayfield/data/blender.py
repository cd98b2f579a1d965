"""NeRF's synthetic form: transforms_train.json, transforms_val.json, transforms_test.json."""

from __future__ import annotations

from pathlib import Path

from rayfield.core.check import DataError
from rayfield.data.scene import SPLITS, Ball, Capture, Frame, in_natural_order
from rayfield.data.strict_json import read_json_object
from rayfield.data.transforms import read_listing


def split_files(root: Path) -> dict[str, Path]:
    """The split files that a folder holds, by split."""
    paths = {split: root / f"transforms_{split}.json" for split in SPLITS}
    return {split: path for split, path in paths.items() if path.is_file()}


def read(root: Path) -> Capture:
    """Read all split files of a folder. Raises DataError on input that cannot be used."""
    frames: dict[str, Frame] = {}
    notes: list[str] = []
    ball: Ball | None = None
    for split, path in split_files(root).items():
        listing = read_listing(root, path, read_json_object(path), split=split)
        for frame in listing.frames:
            twin = frames.get(frame.name)
            if twin is not None and twin.split == "train":
                what = f"lists {frame.name!r}, which is also in transforms_{twin.split}.json"
                fix = "take it out of one of them: a picture belongs to one split only"
                raise DataError(path, what, fix)
            frames[frame.name] = frame  # for validation and test: many files are copies
        notes.extend(listing.notes)
        ball = ball or listing.ball
    ordered = in_natural_order(frames.values())
    return Capture(root, "blender", ordered, None, tuple(notes), ball=ball)
