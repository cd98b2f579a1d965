"""nerfstudio's form: one transforms.json with camera models and, optionally, published splits.

The world is the file's own; `applied_transform` (how that file's writer turned an earlier world)
is not undone, so exports fit the other programs that read the same file.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rayfield.core.check import DataError
from rayfield.data.files import existing_image
from rayfield.data.intrinsics import Json
from rayfield.data.scene import Capture, Frame, in_natural_order
from rayfield.data.strict_json import read_json_object
from rayfield.data.transforms import read_listing

SPLITS = ("train", "val", "test")
MARKS = (
    "camera_model",
    "applied_transform",
    "applied_scale",
    "orientation_override",
    "ply_file_path",
    *(f"{split}_filenames" for split in SPLITS),
)


def detect(document: Json) -> bool:
    """Whether a parsed transforms.json carries a key that only nerfstudio writes."""
    return any(key in document for key in MARKS)


def _published(root: Path, path: Path, document: Json) -> dict[str, str]:
    """The split of each picture that the file assigns, by the picture's path in the folder."""
    splits: dict[str, str] = {}
    for split in SPLITS:
        names = document.get(f"{split}_filenames", [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DataError(path, f"{split}_filenames is not a list of names", "correct it")
        for name in names:
            image = existing_image(root, name, path)
            key = image.relative_to(root).as_posix() if image else name
            if split != "train" and splits.get(key) == "train":
                what = f"{name!r} is in train_filenames and in {split}_filenames"
                fix = "take it out of one of them: a picture belongs to one split only"
                raise DataError(path, what, fix)
            splits[key] = split  # one for validation and test is a test picture
    return splits


def read(root: Path) -> Capture:
    """Read ROOT/transforms.json. Pictures that published splits leave out are not used.

    Raises DataError on input that cannot be used.
    """
    path = root / "transforms.json"
    document = read_json_object(path)
    listing = read_listing(root, path, document)
    frames, notes = listing.frames, list(listing.notes)
    if splits := _published(root, path, document):
        kept: tuple[Frame, ...] = tuple(
            replace(frame, split=splits[frame.name]) for frame in frames if frame.name in splits
        )
        if len(kept) < len(frames):
            notes.append(f"{len(frames) - len(kept)} images are in no published split (not used)")
        frames = kept
    return Capture(root, "nerfstudio", in_natural_order(frames), None, tuple(notes))
