"""transforms.json read frame by frame: what is wrong with one does not hide the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rayfield.core.check import DataError
from rayfield.data import blender
from rayfield.data.check.finding import Finding, Level
from rayfield.data.files import existing_image, fit_to_image
from rayfield.data.images import image_info
from rayfield.data.intrinsics import Json, Values, camera_of
from rayfield.data.poses import FARTHEST, TOLERANCE, matrix_from_json
from rayfield.data.scene import SPLITS, Frame
from rayfield.data.strict_json import read_json_object

LISTING = "transforms.json"
MANY_ABSENT = 0.5
EXPORT = "export the poses again"


class Row(NamedTuple):
    """One entry of a listing: its place, its matrix as written, and the frame if there is one."""

    file: Path
    number: int
    name: str
    matrix: Float[np.ndarray, "4 4"] | None
    frame: Frame | None


@dataclass
class Troubles:
    """What is wrong with single frames, gathered so that it is told once for all of them."""

    found: dict[tuple[Level, str, str, str], list[str]] = field(default_factory=dict)

    def add(self, level: Level, kind: str, what: str, *, fix: str, name: str) -> None:
        """Remember that `what` holds for the frame `name`."""
        self.found.setdefault((level, kind, what, fix), []).append(name)

    def findings(self, total: int) -> list[Finding]:
        """A finding for each sort of trouble: "3 of 20 frames have ..."."""
        told = []
        for (level, kind, what, fix), names in self.found.items():
            said = f"{len(names)} of {total} frames: {what}"
            told.append(Finding(level, kind, said, tuple(names), fix))
        return told


def listings(path: Path) -> dict[Path, str]:
    """The listings of a data set, with the split of their frames; empty in other forms."""
    if path.is_file():
        named = path.name.startswith("transforms") and path.suffix == ".json"
        inner = blender.split_files(path.parent) if path.name == "transforms_train.json" else {}
        own = {file: split for split, file in inner.items()}
        return own or ({path: "train"} if named else {})
    files = blender.split_files(path)
    if "train" in files:
        return {file: split for split, file in files.items()}
    return {path / LISTING: "train"} if (path / LISTING).is_file() else {}


def read_rows(path: Path) -> tuple[list[Row], list[Finding]]:
    """Every entry of the listings, and what is wrong with single frames.

    Documents that cannot be read at all become findings.
    """
    rows: list[Row] = []
    findings: list[Finding] = []
    for file, split in listings(path).items():
        try:
            document = read_json_object(file)
        except DataError as error:
            findings.append(Finding("error", "files", error.what, (file.name,), error.fix))
            continue
        frames = document.get("frames")
        if not isinstance(frames, list) or not frames:
            findings.append(Finding("error", "files", "lists no frames", (file.name,), EXPORT))
            continue
        troubles = Troubles()
        rows += [_row(file, i, entry, document, split, troubles) for i, entry in enumerate(frames)]
        findings += troubles.findings(len(frames))
    return rows, findings


def _row(
    file: Path, index: int, entry: object, document: Json, split: str, troubles: Troubles
) -> Row:
    """One entry; what is wrong with it goes to `troubles`."""
    if not isinstance(entry, dict) or not isinstance(entry.get("file_path"), str):
        place = f"frames[{index}]"
        troubles.add("error", "files", "no file_path", fix=EXPORT, name=place)
        return Row(file, index, place, None, None)
    name = entry["file_path"]
    matrix = _matrix(entry, file, name, troubles)
    sound = matrix is not None and _sound(matrix, name, troubles)
    root = file.parent
    kind = "images"
    try:
        image = existing_image(root, name, file)
        if image is None:
            fix = "restore the photos, or take their frames out"
            troubles.add("warning", kind, "the image does not exist", fix=fix, name=name)
            return Row(file, index, name, matrix, None)
        info = image_info(image)
        kind = "intrinsics"
        if not sound:
            return Row(file, index, name, matrix, None)
        values = Values(file, name, entry, document)
        declared, _ = camera_of(values, info)
        kind = "sizes"
        camera, _ = fit_to_image(declared, info, image)
        own = entry.get("split")
        mask = entry.get("mask_path")
        found = existing_image(root, mask, file) if isinstance(mask, str) else None
    except DataError as error:
        what = error.what.removeprefix(f"frame {name!r}: ")
        troubles.add("error", kind, what, fix=error.fix, name=name)
        return Row(file, index, name, matrix, None)
    split = own if own in SPLITS else split
    title = image.relative_to(root).as_posix()
    return Row(file, index, name, matrix, Frame(title, camera, image, split, mask=found))


def _matrix(
    entry: Json, file: Path, name: str, troubles: Troubles
) -> Float[np.ndarray, "4 4"] | None:
    try:
        return matrix_from_json(entry.get("transform_matrix"), file, "transform_matrix")
    except DataError as error:
        troubles.add("error", "poses", error.what, fix=error.fix, name=name)
        return None


def _sound(matrix: Float[np.ndarray, "4 4"], name: str, troubles: Troubles) -> bool:
    """Whether a matrix is a rotation, but for one scale, and a place."""
    if np.abs(matrix[:3, 3]).max() > FARTHEST:
        what = f"the camera is more than {FARTHEST:.0e} units away"
        troubles.add("error", "poses", what, fix=EXPORT, name=name)
        return False
    sizes = np.linalg.svd(matrix[:3, :3], compute_uv=False)
    scale = float(sizes.mean())
    if not 1e-100 < scale < 1e100 or np.abs(sizes - scale).max() > TOLERANCE * scale:
        what = "the pose is no rotation and place (its axes are not orthonormal)"
        troubles.add("error", "poses", what, fix=EXPORT, name=name)
        return False
    if np.linalg.det(matrix[:3, :3]) < 0:
        fix = "negate one column of the rotations: x right, y up, z back is expected"
        what = "the pose is mirrored (determinant -1)"
        troubles.add("error", "poses", what, fix=fix, name=name)
        return False
    if abs(scale - 1) > TOLERANCE:
        what = "the pose has a uniform scale, which is divided out"
        troubles.add("note", "poses", what, fix="", name=name)
    elif np.abs(sizes / scale - 1).max() > 1e-5:
        what = "the rotation is slightly off, and is made orthonormal"
        troubles.add("note", "poses", what, fix="", name=name)
    return True
